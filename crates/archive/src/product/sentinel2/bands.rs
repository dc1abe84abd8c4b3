//! The bands of the multispectral instrument and the layers of Level-2A.

/// A spectral band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpectralBand {
    /// `B01` … `B12`, `B8A`.
    pub name: &'static str,
    /// STAC common name.
    pub common_name: &'static str,
    /// Words for people.
    pub title: &'static str,
    /// Centre, in micrometres.
    pub center_um: f64,
    /// Full width at half maximum, in micrometres.
    pub width_um: f64,
    /// Finest resolution, in metres.
    pub resolution_m: u32,
}

/// All bands; the position is the `band_id` of the metadata.
pub(crate) const BANDS: [SpectralBand; 13] = [
    band("B01", "coastal", "Coastal aerosol", 0.443, 0.02, 60),
    band("B02", "blue", "Blue", 0.49, 0.065, 10),
    band("B03", "green", "Green", 0.56, 0.035, 10),
    band("B04", "red", "Red", 0.665, 0.03, 10),
    band("B05", "rededge071", "Red edge 1", 0.704, 0.015, 20),
    band("B06", "rededge075", "Red edge 2", 0.74, 0.015, 20),
    band("B07", "rededge078", "Red edge 3", 0.783, 0.02, 20),
    band("B08", "nir", "Near infrared", 0.842, 0.115, 10),
    band("B8A", "nir08", "Near infrared, narrow", 0.865, 0.021, 20),
    band("B09", "nir09", "Water vapour", 0.945, 0.02, 60),
    band("B10", "cirrus", "Cirrus", 1.375, 0.03, 60),
    band("B11", "swir16", "Short-wave infrared 1", 1.61, 0.09, 20),
    band("B12", "swir22", "Short-wave infrared 2", 2.19, 0.18, 20),
];

const fn band(
    name: &'static str,
    common_name: &'static str,
    title: &'static str,
    center_um: f64,
    width_um: f64,
    resolution_m: u32,
) -> SpectralBand {
    SpectralBand {
        name,
        common_name,
        title,
        center_um,
        width_um,
        resolution_m,
    }
}

/// Names of the classes of the scene classification, by value.
pub(crate) const SCENE_CLASSES: [&str; 12] = [
    "no_data",
    "saturated_or_defective",
    "dark_area_pixels",
    "cloud_shadows",
    "vegetation",
    "not_vegetated",
    "water",
    "unclassified",
    "cloud_medium_probability",
    "cloud_high_probability",
    "thin_cirrus",
    "snow",
];

/// What an image of a product shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Layer {
    /// Reflectance; the index into [`BANDS`].
    Band(usize),
    /// Aerosol optical thickness.
    Aerosol,
    /// Water vapour column.
    WaterVapour,
    /// Scene classification.
    SceneClasses,
    /// True colour.
    TrueColour,
    /// Probability of cloud.
    CloudProbability,
    /// Probability of snow.
    SnowProbability,
    /// Small preview.
    Preview,
}

impl Layer {
    /// Returns the name in asset keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Band(index) => BANDS[index].name,
            Self::Aerosol => "AOT",
            Self::WaterVapour => "WVP",
            Self::SceneClasses => "SCL",
            Self::TrueColour => "TCI",
            Self::CloudProbability => "CLD",
            Self::SnowProbability => "SNW",
            Self::Preview => "thumbnail",
        }
    }

    /// Returns the layer that part of a file name stands for.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "AOT" => Self::Aerosol,
            "WVP" => Self::WaterVapour,
            "SCL" => Self::SceneClasses,
            "TCI" => Self::TrueColour,
            "CLDPRB" => Self::CloudProbability,
            "SNWPRB" => Self::SnowProbability,
            "PVI" => Self::Preview,
            name => Self::Band(BANDS.iter().position(|band| band.name == name)?),
        })
    }
}

/// An image by its path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ImageName {
    /// What it shows.
    pub layer: Layer,
    /// Resolution that file or folder name, in metres.
    pub resolution_m: Option<u32>,
}

/// Reads layer and resolution out of a path, with or without extension: `…/R10m/T29UNU_…_B02_10m`,
/// `…_B02.jp2`, `R20m/SCL.jp2`, `L2A_T32TQM_…_B02_10m.jp2`, `qi/CLD_20m.jp2`.
pub(crate) fn image_name(path: &str) -> Option<ImageName> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = match file.rsplit_once('.') {
        Some((stem, "jp2" | "tif" | "tiff" | "JP2" | "TIF")) => stem,
        Some(_) => return None,
        None => file,
    };
    let mut parts = stem.rsplit('_');
    let mut last = parts.next()?;
    let resolution = |text: &str| match text {
        "10m" | "R10m" => Some(10),
        "20m" | "R20m" => Some(20),
        "60m" | "R60m" => Some(60),
        _ => None,
    };
    let mut resolution_m = resolution(last);
    if resolution_m.is_some() {
        last = parts.next()?;
    }
    if stem.starts_with("MSK_") && !matches!(last, "CLDPRB" | "SNWPRB") {
        return None;
    }
    let layer = match last {
        "CLD" => Layer::CloudProbability,
        "SNW" => Layer::SnowProbability,
        name => Layer::of_name(name)?,
    };
    if resolution_m.is_none() {
        resolution_m = resolution(folder.rsplit('/').next().unwrap_or_default());
    }
    Some(ImageName {
        layer,
        resolution_m,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_of_all_layouts_are_understood() {
        let named = |path| image_name(path).map(|name| (name.layer.name(), name.resolution_m));
        assert_eq!(
            named("G/IMG_DATA/R10m/T29UNU_20221005T115411_B02_10m.jp2"),
            Some(("B02", Some(10)))
        );
        assert_eq!(
            named("G/IMG_DATA/R10m/T29UNU_20221005T115411_B02_10m"),
            Some(("B02", Some(10)))
        );
        assert_eq!(
            named("G/IMG_DATA/T01LAC_20200717T221941_B8A.jp2"),
            Some(("B8A", None))
        );
        assert_eq!(named("R20m/SCL.jp2"), Some(("SCL", Some(20))));
        assert_eq!(named("B12.jp2"), Some(("B12", None)));
        assert_eq!(named("QI_DATA/MSK_CLDPRB_20m.jp2"), Some(("CLD", Some(20))));
        assert_eq!(named("QI_DATA/MSK_DETFOO_B02.jp2"), None);
        assert_eq!(
            named("QI_DATA/T29UNU_20221005T115411_PVI.jp2"),
            Some(("thumbnail", None))
        );
        assert_eq!(named("GRANULE/X/MTD_TL.xml"), None);
    }

    proptest! {
        #[test]
        fn any_name_ends_in_a_result(path in "\\PC*") {
            let _ = image_name(&path);
        }
    }
}
