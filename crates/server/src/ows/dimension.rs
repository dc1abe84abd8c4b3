//! The dimension of time in documents: days.

use chrono::NaiveDate;

/// The days of a layer, as documents write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeExtent {
    /// Days with commas between them, the oldest first.
    pub(crate) text: String,
    /// The newest day.
    pub(crate) newest: String,
}

/// Returns the extent of days (the newest first), `None` where there are none.
pub(crate) fn time_extent(days: &[NaiveDate]) -> Option<TimeExtent> {
    let written: Vec<String> = days.iter().rev().map(NaiveDate::to_string).collect();
    Some(TimeExtent {
        newest: written.last()?.clone(),
        text: written.join(","),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_listed_from_the_oldest() {
        let days = ["2018-05-07", "2018-05-06"].map(|day| day.parse().expect("a day"));
        let extent = time_extent(&days).expect("days");
        assert_eq!(extent.text, "2018-05-06,2018-05-07");
        assert_eq!(extent.newest, "2018-05-07");
        assert_eq!(time_extent(&[]), None);
    }
}
