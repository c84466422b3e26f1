//! Reports without the parts that differ from run to run.

/// The text with every duration, number and unit, replaced by `…`.
pub fn settled(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive([' ', '\n']) {
        let unit = word.trim_end().trim_end_matches([',', ';', ':', ')']);
        match words.last_mut() {
            Some(number) if matches!(unit, "ns" | "µs" | "ms" | "s" | "min") => {
                *number = format!("…{}", &word[unit.len()..]);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words.concat()
}
