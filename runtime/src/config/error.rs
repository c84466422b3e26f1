//! What can be wrong with a configuration.

use std::fmt;

/// What is wrong with a configuration, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An entry's name is no lint, group or setting.
    UnknownName {
        /// The entry as written.
        entry: String,
        /// The name in it.
        name: String,
        /// A similar name that may be meant.
        suggestion: Option<&'static str>,
    },
    /// An entry has a value that its name does not take. Or `Config::limit` was called with a limit of the wrong unit.
    BadValue {
        /// The entry as written, or the call.
        entry: String,
        /// The value in it.
        value: String,
        /// What the name takes.
        expected: &'static str,
    },
    /// An entry sets for one pool what can only be set for all.
    NotOfAPool {
        /// The entry as written.
        entry: String,
        /// The name in it.
        name: String,
        /// The value in it.
        value: String,
    },
    /// An entry is not of the form `name=value`.
    Malformed {
        /// The entry as written.
        entry: String,
    },
    /// The environment variable is not valid Unicode.
    NotUnicode,
    /// More than one of these.
    Several(Vec<ConfigError>),
}

impl ConfigError {
    /// All of `errors` as one; `None` if there are none.
    #[cfg(feature = "track")]
    pub(super) fn all_of(mut errors: Vec<ConfigError>) -> Option<Self> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(ConfigError::Several(errors)),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::UnknownName {
                entry,
                name,
                suggestion,
            } => {
                write!(f, "`{entry}`: there is no lint, group or setting `{name}`")?;
                match suggestion {
                    Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
                    None => f.write_str("; the settings are `cap`, `report`, `return_timeout`, `connect_probe`, `metrics_sites`, `print`, `events`, `fail` and `off`, the groups `all`, `leaks`, `pool` and `queries`"),
                }
            }
            ConfigError::BadValue {
                entry,
                value,
                expected,
            } => {
                write!(f, "`{entry}`: `{value}` is not {expected}")
            }
            ConfigError::NotOfAPool { entry, name, value } => {
                write!(
                    f,
                    "`{entry}`: `{name}` cannot be set for a single pool; write `{name}={value}`"
                )
            }
            ConfigError::Malformed { entry } => {
                write!(
                    f,
                    "`{entry}` is not of the form `name=value` or `name[pool]=value`; write it like `held_idle=warn:10s`"
                )
            }
            ConfigError::NotUnicode => f.write_str("the value is not valid Unicode"),
            ConfigError::Several(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    error.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
