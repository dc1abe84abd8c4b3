//! Parcel sets in both databases.

use swath_access::{Viewer, Visibility};
use swath_catalog::{
    Catalog, ErrorKind, NewParcelSetVersion, ParcelSetContent, ParcelSetSettings, ParcelSetVersion,
    RestoreMode,
};

use crate::backend::on_both;

fn version(number: u32, digest: &str) -> NewParcelSetVersion {
    NewParcelSetVersion {
        number,
        href: format!("parcels:dk/{number}.parquet"),
        digest: digest.to_owned(),
        size: 1_000_000_000_000,
        features: 560_000,
        content: ParcelSetContent {
            crs: "EPSG:25832".to_owned(),
            id_field: "Marknr".to_owned(),
            personal: vec!["CVR".to_owned()],
            ..ParcelSetContent::default()
        },
    }
}

async fn import(catalog: &Catalog, viewer: &Viewer, name: &str, digest: &str) -> ParcelSetVersion {
    let settings = ParcelSetSettings::default();
    let number = catalog
        .begin_parcel_set_version(viewer, name, &settings)
        .await;
    let new = version(number.expect("a number"), digest);
    let put = catalog.put_parcel_set_version(viewer, name, &new).await;
    put.expect("a version")
}

#[test]
fn versions_are_added_and_stay() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let first = import(catalog, &operator, "dk", "a").await;
        let second = import(catalog, &operator, "dk", "b").await;
        assert_eq!((first.number, second.number), (1, 2));
        let set = catalog.parcel_set(&operator, "dk").await.expect("a set");
        assert_eq!(set.versions, [first.clone(), second.clone()]);
        assert_eq!(set.timezone, "UTC");
        assert_eq!(set.version(None).expect("the newest"), &second);
        assert_eq!(set.version(Some(1)).expect("the first"), &first);
        let error = set.version(Some(9)).expect_err("there is none");
        assert!(error.to_string().contains("the newest is 2"), "{error}");
        let sets = catalog.parcel_sets(&operator).await.expect("sets");
        assert_eq!(sets, [set]);
    });
}

#[test]
fn the_same_digest_is_no_new_version_and_numbers_are_given_once() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let settings = ParcelSetSettings::default();
        import(catalog, &operator, "dk", "a").await;
        // An import that never ends takes a number with it.
        let lost = catalog
            .begin_parcel_set_version(&operator, "dk", &settings)
            .await;
        assert_eq!(lost.expect("a number"), 2);
        let again = import(catalog, &operator, "dk", "a").await;
        assert_eq!(again.number, 1);
        let other = import(catalog, &operator, "dk", "b").await;
        assert_eq!(other.number, 4);
        let taken = catalog
            .put_parcel_set_version(&operator, "dk", &version(4, "c"))
            .await;
        assert_eq!(taken.expect_err("taken").kind(), ErrorKind::Conflict);
        // What came before is taken up again as a version of its own.
        assert_eq!(import(catalog, &operator, "dk", "a").await.number, 5);
    });
}

#[test]
fn a_set_without_a_version_is_not_there() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let settings = ParcelSetSettings::default();
        let begun = catalog
            .begin_parcel_set_version(&operator, "dk", &settings)
            .await;
        begun.expect("a number");
        assert!(
            catalog
                .parcel_sets(&operator)
                .await
                .expect("sets")
                .is_empty()
        );
        let error = catalog.parcel_set(&operator, "dk").await.expect_err("none");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn private_sets_are_their_owners() {
    on_both(async |catalog| {
        let (ada, bob) = (Viewer::member("ada"), Viewer::member("bob"));
        let settings = ParcelSetSettings::default();
        import(catalog, &ada, "mine", "a").await;
        for viewer in [&bob, &Viewer::anonymous()] {
            let hidden = catalog.parcel_set(viewer, "mine").await;
            assert_eq!(hidden.expect_err("hidden").kind(), ErrorKind::NotFound);
            assert!(catalog.parcel_sets(viewer).await.expect("sets").is_empty());
            let begun = catalog
                .begin_parcel_set_version(viewer, "mine", &settings)
                .await;
            assert_eq!(begun.expect_err("hidden").kind(), ErrorKind::NotFound);
        }
        let public = ParcelSetSettings {
            visibility: Some(Visibility::Public),
            timezone: Some("Europe/Copenhagen".to_owned()),
            ..ParcelSetSettings::default()
        };
        let changed = catalog.change_parcel_set(&ada, "mine", &public).await;
        changed.expect("changed");
        let set = catalog.parcel_set(&bob, "mine").await.expect("public");
        assert_eq!(
            (set.owner.as_deref(), set.timezone.as_str()),
            (Some("ada"), "Europe/Copenhagen")
        );
        let begun = catalog
            .begin_parcel_set_version(&bob, "mine", &settings)
            .await;
        assert_eq!(begun.expect_err("not theirs").kind(), ErrorKind::Denied);
        let anonymous = catalog
            .begin_parcel_set_version(&Viewer::anonymous(), "x", &settings)
            .await;
        assert_eq!(anonymous.expect_err("nobody").kind(), ErrorKind::Denied);
        let given = ParcelSetSettings {
            owner: Some("bob".to_owned()),
            ..ParcelSetSettings::default()
        };
        let error = catalog.change_parcel_set(&ada, "mine", &given).await;
        assert_eq!(
            error.expect_err("only the operator").kind(),
            ErrorKind::Denied
        );
        let operator = Viewer::operator();
        catalog
            .change_parcel_set(&operator, "mine", &given)
            .await
            .expect("given");
        assert_eq!(import(catalog, &bob, "mine", "b").await.number, 2);
    });
}

#[test]
fn what_is_no_name_or_time_zone_is_refused() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        for name in ["", "../x", "Æ", "a/b", "x'; DROP TABLE parcel_sets; --"] {
            let settings = ParcelSetSettings::default();
            let error = catalog
                .begin_parcel_set_version(&operator, name, &settings)
                .await;
            assert_eq!(error.expect_err(name).kind(), ErrorKind::Invalid);
        }
        let settings = ParcelSetSettings {
            timezone: Some("Europe/Atlantis".to_owned()),
            ..ParcelSetSettings::default()
        };
        let error = catalog
            .begin_parcel_set_version(&operator, "x", &settings)
            .await;
        let error = error.expect_err("no zone");
        assert!(error.to_string().contains("Europe/Atlantis"), "{error}");
    });
}

#[test]
fn sets_are_copied_and_restored() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("source.sqlite").display());
        let source = Catalog::open(&url).await.expect("a catalogue");
        for digest in ["a", "b"] {
            import(&source, &operator, "dk", digest).await;
        }
        import(&source, &Viewer::member("ada"), "mine", "c").await;
        let copies = source
            .snapshot(&operator)
            .await
            .expect("a look")
            .parcel_sets()
            .await;
        let copies = copies.expect("sets");
        import(catalog, &operator, "dk", "own").await;
        let refused = catalog.restore(&operator, RestoreMode::Empty).await;
        let refused = refused.expect_err("not empty");
        assert!(
            refused.to_string().contains("parcel set \"dk\""),
            "{refused}"
        );
        for (mode, expected) in [(RestoreMode::Merge, (1, 1)), (RestoreMode::Replace, (2, 0))] {
            let mut restoration = catalog.restore(&operator, mode).await.expect("begun");
            for copy in &copies {
                restoration.put_parcel_set(copy).await.expect("put");
            }
            let counts = restoration.finish().await.expect("done");
            assert_eq!((counts.parcel_sets, counts.parcel_sets_kept), expected);
        }
        let all = source.parcel_sets(&operator).await.expect("sets");
        assert_eq!(catalog.parcel_sets(&operator).await.expect("sets"), all);
        // It goes on with the next number.
        assert_eq!(import(catalog, &operator, "dk", "d").await.number, 3);
    });
}
