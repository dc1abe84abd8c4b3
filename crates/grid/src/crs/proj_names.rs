//! Names of ellipsoids, datums, units and meridians in PROJ texts.

/// PROJ's names of ellipsoids with their EPSG codes.
pub(super) const ELLIPSOIDS: &[(&str, u32)] = &[
    ("WGS84", 7030),
    ("GRS80", 7019),
    ("bessel", 7004),
    ("intl", 7022),
    ("airy", 7001),
    ("mod_airy", 7002),
    ("clrk66", 7008),
    ("clrk80", 7012),
    ("clrk80ign", 7011),
    ("krass", 7024),
    ("GRS67", 7036),
    ("WGS72", 7043),
    ("aust_SA", 7003),
    ("helmert", 7020),
    ("evrst30", 7015),
    ("bess_nam", 7046),
    ("danish", 7051),
];

/// PROJ's names of ellipsoids without an EPSG code: semi-major axis and inverse flattening.
pub(super) const MORE_ELLIPSOIDS: &[(&str, f64, f64)] = &[
    ("sphere", 6370997.0, 0.0),
    ("IAU76", 6378140.0, 298.257),
    ("WGS60", 6378165.0, 298.3),
    ("WGS66", 6378145.0, 298.25),
    ("new_intl", 6378157.5, 298.249_615_390_031_36),
    ("hough", 6378270.0, 297.0),
    ("APL4.9", 6378137.0, 298.25),
    ("NWL9D", 6378145.0, 298.25),
    ("MERIT", 6378137.0, 298.257),
    ("SGS85", 6378136.0, 298.257),
    ("fschr60", 6378166.0, 298.3),
    ("fschr68", 6378150.0, 298.3),
    ("CPM", 6375738.7, 334.29),
    ("delmbr", 6376428.0, 311.5),
    ("andrae", 6377104.43, 300.0),
    ("evrst48", 6377304.063, 300.8017),
    ("evrst56", 6377301.243, 300.8017),
    ("evrst69", 6377295.664, 300.8017),
    ("evrstSS", 6377298.556, 300.8017),
    ("SEasia", 6378155.0, 298.300_000_240_855_4),
    ("walbeck", 6376896.0, 302.780_000_181_568_1),
    ("plessis", 6376523.0, 308.641_002_766_598_9),
    ("lerch", 6378139.0, 298.257),
    ("engelis", 6378136.05, 298.2566),
    ("kaula", 6378163.0, 298.24),
    ("PZ90", 6378136.0, 298.25784),
    ("GSK2011", 6378136.5, 298.2564151),
    ("CGCS2000", 6378137.0, 298.257222101),
];

/// PROJ's names of datums with their EPSG codes.
pub(super) const DATUMS: &[(&str, u32)] = &[
    ("WGS84", 6326),
    ("NAD83", 6269),
    ("NAD27", 6267),
    ("GGRS87", 6121),
    ("potsdam", 6314),
    ("carthage", 6223),
    ("hermannskogel", 6312),
    ("ire65", 6299),
    ("nzgd49", 6272),
    ("OSGB36", 6277),
];

/// PROJ's names of linear units.
pub(super) const UNITS: &[(&str, u32)] = &[
    ("m", 9001),
    ("km", 9036),
    ("ft", 9002),
    ("us-ft", 9003),
    ("yd", 9096),
    ("kmi", 9030),
    ("mi", 9093),
    ("ch", 9097),
    ("link", 9098),
    ("fath", 9014),
    ("ind-ft", 9080),
    ("ind-yd", 9084),
];
pub(super) const MORE_UNITS: &[(&str, f64)] = &[
    ("dm", 0.1),
    ("cm", 0.01),
    ("mm", 0.001),
    ("in", 0.0254),
    ("us-in", 100.0 / 3937.0),
    ("us-yd", 3600.0 / 3937.0),
    ("us-ch", 79200.0 / 3937.0),
    ("us-mi", 6336000.0 / 3937.0),
    ("ind-ch", 20.11669506),
];

/// PROJ's names of prime meridians with their EPSG codes.
pub(super) const MERIDIANS: &[(&str, u32)] = &[
    ("greenwich", 8901),
    ("lisbon", 8902),
    ("paris", 8903),
    ("bogota", 8904),
    ("madrid", 8905),
    ("rome", 8906),
    ("bern", 8907),
    ("jakarta", 8908),
    ("ferro", 8909),
    ("brussels", 8910),
    ("stockholm", 8911),
    ("athens", 8912),
    ("oslo", 8913),
];
