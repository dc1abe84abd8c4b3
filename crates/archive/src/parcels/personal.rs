//! Columns that tell of persons.

use swath_io::vector::FieldInfo;

/// Names of columns, in lower case, that are taken for personal without being named: who holds or
/// manages a parcel, numbers of persons and holdings, addresses and birth dates, as the national
/// formats write them.
pub const PERSONAL_COLUMNS: [&str; 62] = [
    // English and general
    "address",
    "applicant",
    "applicant_id",
    "applicant_name",
    "beneficiary",
    "beneficiary_id",
    "birth_date",
    "birthdate",
    "business_id",
    "email",
    "farm_id",
    "farmer",
    "farmer_id",
    "farmer_name",
    "first_name",
    "full_name",
    "holder",
    "holder_id",
    "holder_name",
    "holding_id",
    "last_name",
    "national_id",
    "organisation_id",
    "owner",
    "owner_id",
    "owner_name",
    "phone",
    "producer_id",
    "surname",
    "telephone",
    // Denmark
    "ansoeger",
    "cvr",
    "cvr_nr",
    "cvrnr",
    "journalnr",
    // Germany, Austria, Switzerland
    "antragsteller",
    "betriebsnummer",
    "betriebsnr",
    "bewirtschafter",
    "bnr",
    "bnrzd",
    "eigentuemer",
    "hauptbetriebsnummer",
    // Netherlands, Flanders
    "kvk_nummer",
    "kvknummer",
    "landbouwer",
    "prod_nr",
    "producentnummer",
    // France, Wallonia
    "exploitant",
    "pacage",
    "siret",
    "siren",
    // Spain, Portugal, Italy
    "cif",
    "codice_fiscale",
    "cuaa",
    "dni",
    "nif",
    "titular",
    // Baltic, Finland
    "isikukood",
    "klients",
    "tilatunnus",
    "ytunnus",
];

/// Returns the columns of a source that are personal: those that were named and those known by name.
///
/// # Errors
/// With the name of a column that was named and is not there.
pub(super) fn personal<'a>(
    kept: &[FieldInfo],
    named: &'a [String],
) -> Result<Vec<String>, &'a String> {
    let is_there = |name: &&String| kept.iter().any(|field| &field.name == *name);
    if let Some(absent) = named.iter().find(|name| !is_there(name)) {
        return Err(absent);
    }
    let is_personal = |field: &&FieldInfo| {
        let name = field.name.to_lowercase().replace([' ', '-'], "_");
        named.contains(&field.name) || PERSONAL_COLUMNS.contains(&name.as_str())
    };
    Ok(kept
        .iter()
        .filter(is_personal)
        .map(|field| field.name.clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_count_in_any_case() {
        let field = |name: &&str| FieldInfo {
            name: (*name).to_owned(),
            type_name: "TEXT".to_owned(),
        };
        let kept: Vec<FieldInfo> = ["Marknr", "CVR", "Farmer Name", "phase"]
            .iter()
            .map(field)
            .collect();
        assert_eq!(
            personal(&kept, &[]),
            Ok(vec!["CVR".to_owned(), "Farmer Name".to_owned()])
        );
        let named = ["phase".to_owned()];
        assert_eq!(personal(&kept, &named).map(|found| found.len()), Ok(3));
        let named = ["gone".to_owned()];
        assert_eq!(personal(&kept, &named), Err(&named[0]));
    }

    #[test]
    fn names_are_in_lower_case_and_stand_once() {
        let mut names = PERSONAL_COLUMNS.to_vec();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(names.iter().all(|name| *name == name.to_lowercase()));
    }
}
