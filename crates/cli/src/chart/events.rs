//! Labels of events above the first panel: in rows, so that no label and no line crosses another.

/// Where the label of an event stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Where the event's line stands.
    pub line_px: f64,
    /// Row from the plot upwards, from 0.
    pub row: usize,
    /// True where the label stands left of its line, for want of room on the right.
    pub is_left: bool,
}

/// Returns a place for each label; `lines` rise, `widths` belong to them.
///
/// A line runs from its label down through all lower rows. So a label must lie above those of
/// later events that begin within its width; events near the right end are turned to the left.
pub fn place(lines: &[f64], widths: &[f64], right_px: f64) -> Vec<Place> {
    let is_left = |index: usize| lines[index] + widths[index] > right_px;
    let mut rows = vec![0_usize; lines.len()];
    for index in (0..lines.len()).rev().filter(|index| !is_left(*index)) {
        let end = lines[index] + widths[index];
        let later =
            (index + 1..lines.len()).filter(|other| !is_left(*other) && lines[*other] < end);
        rows[index] = later.map(|other| rows[other] + 1).max().unwrap_or(0);
    }
    // Labels turned to the left go above everything that they would touch.
    for index in (0..lines.len()).filter(|index| is_left(*index)) {
        let from = lines[index] - widths[index];
        let touched = |other: &usize| {
            let own_end = if is_left(*other) {
                lines[*other]
            } else {
                lines[*other] + widths[*other]
            };
            *other != index && (!is_left(*other) || *other < index) && own_end > from
        };
        let below = (0..lines.len()).filter(touched);
        rows[index] = below.map(|other| rows[other] + 1).max().unwrap_or(0);
    }
    let places = lines.iter().zip(&rows).enumerate();
    places
        .map(|(index, (line_px, row))| Place {
            line_px: *line_px,
            row: *row,
            is_left: is_left(index),
        })
        .collect()
}
