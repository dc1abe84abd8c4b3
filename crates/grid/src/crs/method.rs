//! The map projections we know and what they are called in EPSG, WKT 1, PROJ and GeoTIFF.

use super::definition::{Conversion, plain};

/// One parameter of a method; its names in WKT 1 are in `wkt_read`.
pub(crate) struct ParameterSpec {
    /// EPSG parameter code.
    pub code: u16,
    /// Key in a PROJ string.
    pub proj: &'static str,
    /// GeoTIFF key that holds it.
    pub geokey: u16,
}

/// A method in the four languages.
pub(crate) struct MethodSpec {
    pub method: Method,
    /// EPSG code; 0 where EPSG has none.
    pub epsg: u16,
    /// Name in WKT 2.
    pub name: &'static str,
    pub proj: &'static str,
    /// Names in WKT 1, the one of GDAL first, then ESRI's.
    pub wkt1: &'static [&'static str],
    /// GeoTIFF coordinate transformation code; 0 where GeoTIFF has none.
    pub geotiff: u16,
    pub parameters: &'static [ParameterSpec],
}

/// A method of map projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    TransverseMercator,
    TransverseMercatorSouth,
    LambertConic1,
    LambertConic2,
    LambertConic1B,
    MercatorA,
    MercatorB,
    MercatorSpherical,
    PseudoMercator,
    CassiniSoldner,
    ObliqueStereographic,
    PolarStereographicA,
    PolarStereographicB,
    ObliqueMercatorA,
    ObliqueMercatorB,
    AzimuthalEqualArea,
    AzimuthalEqualAreaSpherical,
    Albers,
    Krovak,
    KrovakNorth,
    EquidistantCylindrical,
    EquidistantCylindricalSpherical,
    Polyconic,
    CylindricalEqualArea,
    CylindricalEqualAreaSpherical,
    Orthographic,
    AzimuthalEquidistant,
    EqualEarth,
    EquidistantConic,
    Gnomonic,
    Sinusoidal,
    Mollweide,
    Robinson,
    /// Known by its EPSG code only: cannot be computed.
    Other(u16),
}

const fn p(code: u16, proj: &'static str, geokey: u16) -> ParameterSpec {
    ParameterSpec { code, proj, geokey }
}

const FALSE_EASTING: ParameterSpec = p(8806, "x_0", 3082);
const FALSE_NORTHING: ParameterSpec = p(8807, "y_0", 3083);
const NATURAL_LATITUDE: ParameterSpec = p(8801, "lat_0", 3081);
const NATURAL_LONGITUDE: ParameterSpec = p(8802, "lon_0", 3080);
const NATURAL_SCALE: ParameterSpec = p(8805, "k_0", 3092);
const CENTRE_LATITUDE: ParameterSpec = p(8801, "lat_0", 3089);
const CENTRE_LONGITUDE: ParameterSpec = p(8802, "lon_0", 3088);

const NATURAL: &[ParameterSpec] = &[
    NATURAL_LATITUDE,
    NATURAL_LONGITUDE,
    NATURAL_SCALE,
    FALSE_EASTING,
    FALSE_NORTHING,
];
const UNSCALED: &[ParameterSpec] = &[
    NATURAL_LATITUDE,
    NATURAL_LONGITUDE,
    FALSE_EASTING,
    FALSE_NORTHING,
];
const CENTRED: &[ParameterSpec] = &[
    CENTRE_LATITUDE,
    CENTRE_LONGITUDE,
    FALSE_EASTING,
    FALSE_NORTHING,
];
const WORLD: &[ParameterSpec] = &[NATURAL_LONGITUDE, FALSE_EASTING, FALSE_NORTHING];
const CYLINDRICAL: &[ParameterSpec] = &[
    p(8823, "lat_ts", 3078),
    NATURAL_LONGITUDE,
    FALSE_EASTING,
    FALSE_NORTHING,
];
const TWO_PARALLELS: &[ParameterSpec] = &[
    p(8821, "lat_0", 3085),
    p(8822, "lon_0", 3084),
    p(8823, "lat_1", 3078),
    p(8824, "lat_2", 3079),
    p(8826, "x_0", 3086),
    p(8827, "y_0", 3087),
];
// GeoTIFF names the origin of Albers the natural one, where Lambert has a false one.
const ALBERS: &[ParameterSpec] = &[
    p(8821, "lat_0", 3081),
    p(8822, "lon_0", 3080),
    p(8823, "lat_1", 3078),
    p(8824, "lat_2", 3079),
    p(8826, "x_0", 3082),
    p(8827, "y_0", 3083),
];
const KROVAK: &[ParameterSpec] = &[
    p(8811, "lat_0", 3089),
    p(8833, "lon_0", 3088),
    p(1036, "alpha", 3094),
    p(8818, "", 3078),
    p(8819, "k", 3093),
    FALSE_EASTING,
    FALSE_NORTHING,
];

/// All methods that can be computed.
pub(crate) const METHODS: &[MethodSpec] = &[
    spec(
        Method::TransverseMercator,
        9807,
        "Transverse Mercator",
        "tmerc",
        &["Transverse_Mercator", "Gauss_Kruger"],
        1,
        NATURAL,
    ),
    spec(
        Method::TransverseMercatorSouth,
        9808,
        "Transverse Mercator (South Orientated)",
        "tmerc",
        &["Transverse_Mercator_South_Orientated"],
        27,
        NATURAL,
    ),
    spec(
        Method::LambertConic1,
        9801,
        "Lambert Conic Conformal (1SP)",
        "lcc",
        &["Lambert_Conformal_Conic_1SP"],
        9,
        NATURAL,
    ),
    spec(
        Method::LambertConic2,
        9802,
        "Lambert Conic Conformal (2SP)",
        "lcc",
        &["Lambert_Conformal_Conic_2SP", "Lambert_Conformal_Conic"],
        8,
        TWO_PARALLELS,
    ),
    spec(
        Method::LambertConic1B,
        1102,
        "Lambert Conic Conformal (1SP variant B)",
        "lcc",
        &["Lambert_Conformal_Conic_1SP_Variant_B"],
        0,
        &[
            p(8801, "lat_1", 0),
            p(8805, "k_0", 0),
            p(8821, "lat_0", 0),
            p(8822, "lon_0", 0),
            p(8826, "x_0", 0),
            p(8827, "y_0", 0),
        ],
    ),
    spec(
        Method::MercatorA,
        9804,
        "Mercator (variant A)",
        "merc",
        &["Mercator_1SP"],
        7,
        NATURAL,
    ),
    spec(
        Method::MercatorB,
        9805,
        "Mercator (variant B)",
        "merc",
        &["Mercator_2SP", "Mercator"],
        7,
        CYLINDRICAL,
    ),
    spec(
        Method::MercatorSpherical,
        1026,
        "Mercator (Spherical)",
        "merc",
        &[],
        0,
        UNSCALED,
    ),
    spec(
        Method::PseudoMercator,
        1024,
        "Popular Visualisation Pseudo Mercator",
        "webmerc",
        &[
            "Popular_Visualisation_Pseudo_Mercator",
            "Mercator_Auxiliary_Sphere",
        ],
        0,
        UNSCALED,
    ),
    spec(
        Method::CassiniSoldner,
        9806,
        "Cassini-Soldner",
        "cass",
        &["Cassini_Soldner", "Cassini"],
        18,
        UNSCALED,
    ),
    spec(
        Method::ObliqueStereographic,
        9809,
        "Oblique Stereographic",
        "sterea",
        &["Oblique_Stereographic", "Double_Stereographic"],
        16,
        NATURAL,
    ),
    spec(
        Method::PolarStereographicA,
        9810,
        "Polar Stereographic (variant A)",
        "stere",
        &[],
        15,
        &[
            NATURAL_LATITUDE,
            p(8802, "lon_0", 3095),
            NATURAL_SCALE,
            FALSE_EASTING,
            FALSE_NORTHING,
        ],
    ),
    spec(
        Method::PolarStereographicB,
        9829,
        "Polar Stereographic (variant B)",
        "stere",
        &[
            "Polar_Stereographic",
            "Stereographic_North_Pole",
            "Stereographic_South_Pole",
        ],
        15,
        &[
            p(8832, "lat_ts", 3081),
            p(8833, "lon_0", 3095),
            FALSE_EASTING,
            FALSE_NORTHING,
        ],
    ),
    spec(
        Method::ObliqueMercatorA,
        9812,
        "Hotine Oblique Mercator (variant A)",
        "omerc",
        &[
            "Hotine_Oblique_Mercator",
            "Hotine_Oblique_Mercator_Azimuth_Natural_Origin",
            "Rectified_Skew_Orthomorphic_Natural_Origin",
        ],
        3,
        &[
            p(8811, "lat_0", 3089),
            p(8812, "lonc", 3088),
            p(8813, "alpha", 3094),
            p(8814, "gamma", 3096),
            p(8815, "k", 3093),
            FALSE_EASTING,
            FALSE_NORTHING,
        ],
    ),
    spec(
        Method::ObliqueMercatorB,
        9815,
        "Hotine Oblique Mercator (variant B)",
        "omerc",
        &[
            "Hotine_Oblique_Mercator_Azimuth_Center",
            "Swiss_Oblique_Cylindrical",
            "Swiss_Oblique_Mercator",
            "Rectified_Skew_Orthomorphic_Center",
        ],
        9815,
        &[
            p(8811, "lat_0", 3089),
            p(8812, "lonc", 3088),
            p(8813, "alpha", 3094),
            p(8814, "gamma", 3096),
            p(8815, "k", 3093),
            p(8816, "x_0", 3090),
            p(8817, "y_0", 3091),
        ],
    ),
    spec(
        Method::AzimuthalEqualArea,
        9820,
        "Lambert Azimuthal Equal Area",
        "laea",
        &["Lambert_Azimuthal_Equal_Area"],
        10,
        CENTRED,
    ),
    spec(
        Method::AzimuthalEqualAreaSpherical,
        1027,
        "Lambert Azimuthal Equal Area (Spherical)",
        "laea",
        &[],
        0,
        CENTRED,
    ),
    spec(
        Method::Albers,
        9822,
        "Albers Equal Area",
        "aea",
        &["Albers_Conic_Equal_Area", "Albers"],
        11,
        ALBERS,
    ),
    spec(
        Method::Krovak,
        9819,
        "Krovak",
        "krovak",
        &["Krovak"],
        0,
        KROVAK,
    ),
    spec(
        Method::KrovakNorth,
        1041,
        "Krovak (North Orientated)",
        "krovak",
        &[],
        0,
        KROVAK,
    ),
    spec(
        Method::EquidistantCylindrical,
        1028,
        "Equidistant Cylindrical",
        "eqc",
        &["Equirectangular", "Equidistant_Cylindrical", "Plate_Carree"],
        17,
        CYLINDRICAL,
    ),
    spec(
        Method::EquidistantCylindricalSpherical,
        1029,
        "Equidistant Cylindrical (Spherical)",
        "eqc",
        &[],
        0,
        CYLINDRICAL,
    ),
    spec(
        Method::Polyconic,
        9818,
        "American Polyconic",
        "poly",
        &["Polyconic"],
        22,
        UNSCALED,
    ),
    spec(
        Method::CylindricalEqualArea,
        9835,
        "Lambert Cylindrical Equal Area",
        "cea",
        &["Cylindrical_Equal_Area"],
        28,
        CYLINDRICAL,
    ),
    spec(
        Method::CylindricalEqualAreaSpherical,
        9834,
        "Lambert Cylindrical Equal Area (Spherical)",
        "cea",
        &[],
        0,
        CYLINDRICAL,
    ),
    spec(
        Method::Orthographic,
        9840,
        "Orthographic",
        "ortho",
        &["Orthographic"],
        21,
        UNSCALED,
    ),
    spec(
        Method::AzimuthalEquidistant,
        1125,
        "Azimuthal Equidistant",
        "aeqd",
        &["Azimuthal_Equidistant"],
        12,
        CENTRED,
    ),
    spec(
        Method::EqualEarth,
        1078,
        "Equal Earth",
        "eqearth",
        &["Equal_Earth"],
        0,
        WORLD,
    ),
    spec(
        Method::EquidistantConic,
        1119,
        "Equidistant Conic",
        "eqdc",
        &["Equidistant_Conic"],
        13,
        TWO_PARALLELS,
    ),
    spec(
        Method::Gnomonic,
        0,
        "Gnomonic",
        "gnom",
        &["Gnomonic"],
        19,
        CENTRED,
    ),
    spec(
        Method::Sinusoidal,
        0,
        "Sinusoidal",
        "sinu",
        &["Sinusoidal"],
        24,
        SINUSOIDAL,
    ),
    spec(
        Method::Mollweide,
        0,
        "Mollweide",
        "moll",
        &["Mollweide"],
        0,
        WORLD,
    ),
    spec(
        Method::Robinson,
        0,
        "Robinson",
        "robin",
        &["Robinson"],
        23,
        SINUSOIDAL,
    ),
];

const SINUSOIDAL: &[ParameterSpec] = &[CENTRE_LONGITUDE, FALSE_EASTING, FALSE_NORTHING];

const fn spec(
    method: Method,
    epsg: u16,
    name: &'static str,
    proj: &'static str,
    wkt1: &'static [&'static str],
    geotiff: u16,
    parameters: &'static [ParameterSpec],
) -> MethodSpec {
    MethodSpec {
        method,
        epsg,
        name,
        proj,
        wkt1,
        geotiff,
        parameters,
    }
}

impl Method {
    /// Returns the names of the method, `None` where it cannot be computed.
    pub fn spec(self) -> Option<&'static MethodSpec> {
        METHODS.iter().find(|spec| spec.method == self)
    }

    pub fn from_epsg(code: u16) -> Method {
        let code = match code {
            // Codes that EPSG withdrew for the same formulas.
            9823 => 1029,
            9842 => 1028,
            9841 => 1026,
            other => other,
        };
        METHODS
            .iter()
            .find(|spec| spec.epsg == code && code != 0)
            .map_or(Method::Other(code), |spec| spec.method)
    }

    /// Returns the method with that code, or the name of the PROJ operation, as in our tables.
    pub fn from_table(text: &str) -> Method {
        if let Ok(code) = text.parse() {
            return Self::from_epsg(code);
        }
        METHODS
            .iter()
            .find(|spec| spec.proj == text)
            .map_or(Method::Other(0), |spec| spec.method)
    }

    /// Returns the method of that name in WKT 1 or 2.
    pub fn from_name(name: &str) -> Option<Method> {
        let wanted = plain(name);
        METHODS
            .iter()
            .find(|spec| {
                plain(spec.name) == wanted || spec.wkt1.iter().any(|known| plain(known) == wanted)
            })
            .map(|spec| spec.method)
    }

    /// True for the codes of parameters that are lengths.
    pub fn is_length(code: u16) -> bool {
        matches!(code, 8806 | 8807 | 8816 | 8817 | 8826 | 8827)
    }

    /// True for the codes of parameters that are ratios.
    pub fn is_scale(code: u16) -> bool {
        matches!(code, 8805 | 8815 | 8819)
    }

    /// Returns the value of a parameter that a definition leaves out.
    pub fn default_value(code: u16) -> f64 {
        if Self::is_scale(code) { 1.0 } else { 0.0 }
    }

    /// Returns the parameters in the order of the method, defaults filled in.
    pub fn parameters_of(self, conversion: &Conversion) -> Vec<(u16, f64)> {
        let Some(spec) = self.spec() else {
            return conversion.parameters.clone();
        };
        spec.parameters
            .iter()
            .map(|parameter| {
                let value = conversion
                    .get(parameter.code)
                    .unwrap_or(Self::default_value(parameter.code));
                (parameter.code, value)
            })
            .collect()
    }

    /// Returns the parameters for a comparison: parallels sorted, longitudes within ±180.
    pub fn normal_parameters(self, conversion: &Conversion) -> Vec<(u16, f64)> {
        let mut values = self.parameters_of(conversion);
        if let (Some(one), Some(two)) = (
            values.iter().position(|(code, _)| *code == 8823),
            values.iter().position(|(code, _)| *code == 8824),
        ) {
            let (first, second) = (values[one].1, values[two].1);
            values[one].1 = first.max(second);
            values[two].1 = first.min(second);
        }
        for (code, value) in &mut values {
            if matches!(*code, 8802 | 8812 | 8822 | 8833) && *value > 180.0 {
                *value -= 360.0;
            }
        }
        values
    }
}

/// EPSG parameter codes and their names in WKT 2.
pub(crate) const PARAMETER_NAMES: &[(u16, &str)] = &[
    (8801, "Latitude of natural origin"),
    (8802, "Longitude of natural origin"),
    (8805, "Scale factor at natural origin"),
    (8806, "False easting"),
    (8807, "False northing"),
    (8811, "Latitude of projection centre"),
    (8812, "Longitude of projection centre"),
    (8813, "Azimuth at projection centre"),
    (8814, "Angle from Rectified to Skew Grid"),
    (8815, "Scale factor at projection centre"),
    (8816, "Easting at projection centre"),
    (8817, "Northing at projection centre"),
    (8818, "Latitude of pseudo standard parallel"),
    (8819, "Scale factor on pseudo standard parallel"),
    (8821, "Latitude of false origin"),
    (8822, "Longitude of false origin"),
    (8823, "Latitude of 1st standard parallel"),
    (8824, "Latitude of 2nd standard parallel"),
    (8826, "Easting at false origin"),
    (8827, "Northing at false origin"),
    (8832, "Latitude of standard parallel"),
    (8833, "Longitude of origin"),
    (1036, "Co-latitude of cone axis"),
];

/// Returns the WKT 2 name of an EPSG parameter.
pub(crate) fn parameter_name(code: u16) -> &'static str {
    PARAMETER_NAMES
        .iter()
        .find(|(known, _)| *known == code)
        .map_or("", |(_, name)| name)
}
