//! What follows from the country of a declaration.

/// Time zones of the countries whose declarations are known, by ISO 3166 code; where a country has
/// several, that of its capital.
const TIMEZONES: [(&str, &str); 34] = [
    ("at", "Europe/Vienna"),
    ("be", "Europe/Brussels"),
    ("bg", "Europe/Sofia"),
    ("ch", "Europe/Zurich"),
    ("cy", "Asia/Nicosia"),
    ("cz", "Europe/Prague"),
    ("de", "Europe/Berlin"),
    ("dk", "Europe/Copenhagen"),
    ("ee", "Europe/Tallinn"),
    ("el", "Europe/Athens"),
    ("es", "Europe/Madrid"),
    ("fi", "Europe/Helsinki"),
    ("fr", "Europe/Paris"),
    ("gb", "Europe/London"),
    ("gr", "Europe/Athens"),
    ("hr", "Europe/Zagreb"),
    ("hu", "Europe/Budapest"),
    ("ie", "Europe/Dublin"),
    ("is", "Atlantic/Reykjavik"),
    ("it", "Europe/Rome"),
    ("li", "Europe/Vaduz"),
    ("lt", "Europe/Vilnius"),
    ("lu", "Europe/Luxembourg"),
    ("lv", "Europe/Riga"),
    ("mt", "Europe/Malta"),
    ("nl", "Europe/Amsterdam"),
    ("no", "Europe/Oslo"),
    ("pl", "Europe/Warsaw"),
    ("pt", "Europe/Lisbon"),
    ("ro", "Europe/Bucharest"),
    ("se", "Europe/Stockholm"),
    ("si", "Europe/Ljubljana"),
    ("sk", "Europe/Bratislava"),
    ("ua", "Europe/Kyiv"),
];

/// Returns a country as it is written in names of files: `DK` and `dk` are `dk`, `BE-VLG` is `be_vlg`.
pub(super) fn normalized(country: &str) -> String {
    country.trim().to_ascii_lowercase().replace('-', "_")
}

/// Returns the IANA time zone of a country, such as `dk`, or of a region of one, such as `be_vlg`;
/// `None` where it is not known.
pub fn timezone_of(country: &str) -> Option<&'static str> {
    let country = normalized(country);
    let code = country.split('_').next().unwrap_or_default();
    let found = TIMEZONES.iter().find(|(known, _)| *known == code);
    found.map(|(_, timezone)| *timezone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_the_time_of_their_country() {
        assert_eq!(timezone_of("DK"), Some("Europe/Copenhagen"));
        assert_eq!(timezone_of("BE-VLG"), Some("Europe/Brussels"));
        assert_eq!(timezone_of("de_nrw"), Some("Europe/Berlin"));
        assert_eq!(timezone_of("xx"), None);
        assert_eq!(timezone_of(""), None);
    }
}
