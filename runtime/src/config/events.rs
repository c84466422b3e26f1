//! What the event of a finding has.

/// What the event of a finding has: the parts of the finding as fields, its drawing as the message, or both.
///
/// [`Config::events`](crate::leash::Config::events) sets it. The page [`events`](crate::leash::guide::events) lists the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Events {
    /// Every part of the finding is a field, and the message is one line: for logs that machines read.
    Fields,
    /// The message is the drawing, and the fields are the lint, its level, the certainty, the place and the pool: for logs that
    /// people read.
    Drawing,
    /// The message is the drawing, and every part of the finding is a field as well.
    #[default]
    Both,
}

#[cfg(feature = "track")]
impl Events {
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "fields" => Some(Events::Fields),
            "drawing" => Some(Events::Drawing),
            "both" => Some(Events::Both),
            _ => None,
        }
    }

    pub(crate) fn has_fields(self) -> bool {
        self != Events::Drawing
    }

    pub(crate) fn has_drawing(self) -> bool {
        self != Events::Fields
    }
}
