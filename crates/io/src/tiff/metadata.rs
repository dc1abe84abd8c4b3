//! GDAL's XML metadata tag: band names, scale, offset, unit and free items.

/// Largest metadata document that is parsed, in bytes.
const METADATA_BYTES_MAX: usize = 16 << 20;

/// What the tag says of one band.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BandMetadata {
    pub(crate) description: Option<String>,
    pub(crate) scale: Option<f64>,
    pub(crate) offset: Option<f64>,
    pub(crate) unit: Option<String>,
    pub(crate) color_interpretation: Option<String>,
    /// Further items of the band in the default domain.
    pub(crate) items: Vec<(String, String)>,
}

/// Content of a `GDAL_METADATA` tag.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GdalMetadata {
    pub(crate) bands: Vec<BandMetadata>,
    /// Items of the file in the default domain, in order.
    pub(crate) items: Vec<(String, String)>,
}

impl GdalMetadata {
    /// Parses the tag's text for a file of `bands` bands; items of other bands are left out.
    ///
    /// # Errors
    /// A sentence that says why the text is not usable.
    pub(crate) fn parse(text: &str, bands: usize) -> Result<Self, String> {
        let mut metadata = Self {
            bands: vec![BandMetadata::default(); bands],
            items: Vec::new(),
        };
        if text.trim().is_empty() {
            return Ok(metadata);
        }
        if text.len() > METADATA_BYTES_MAX {
            return Err(format!(
                "GDAL_METADATA of {} bytes (at most {METADATA_BYTES_MAX} are read)",
                text.len()
            ));
        }
        let document = roxmltree::Document::parse(text)
            .map_err(|error| format!("GDAL_METADATA is not well-formed XML: {error}"))?;
        for item in document
            .root_element()
            .children()
            .filter(|node| node.has_tag_name("Item"))
        {
            metadata.take_item(&item);
        }
        Ok(metadata)
    }

    fn take_item(&mut self, item: &roxmltree::Node) {
        let name = item.attribute("name").unwrap_or_default();
        let value = item.text().unwrap_or_default();
        let Some(sample) = item.attribute("sample") else {
            if item.attribute("domain").is_none_or(str::is_empty) {
                self.items.push((name.to_owned(), value.to_owned()));
            }
            return;
        };
        let Some(band) = sample
            .parse()
            .ok()
            .and_then(|index: usize| self.bands.get_mut(index))
        else {
            return;
        };
        let number = || {
            value
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
        };
        match item.attribute("role").unwrap_or_default() {
            "scale" => band.scale = number(),
            "offset" => band.offset = number(),
            "description" => {
                band.description = Some(value.to_owned()).filter(|text| !text.is_empty())
            }
            "unittype" => band.unit = Some(value.to_owned()).filter(|text| !text.is_empty()),
            "colorinterp" => band.color_interpretation = Some(value.to_owned()),
            "" if item.attribute("domain").is_none_or(str::is_empty) => {
                band.items.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn band_items_and_file_items_are_kept_apart() {
        let text = r#"<GDALMetadata>
            <Item name="datetime">2018-05-06T10:50:29Z</Item>
            <Item name="SCALE" sample="1" role="scale">0.0001</Item>
            <Item name="DESCRIPTION" sample="0" role="description">B02</Item>
            <Item name="X" domain="IMAGE_STRUCTURE">1</Item>
        </GDALMetadata>"#;
        let metadata = GdalMetadata::parse(text, 2).expect("well-formed");
        assert_eq!(
            metadata.items,
            vec![("datetime".to_owned(), "2018-05-06T10:50:29Z".to_owned())]
        );
        assert_eq!(metadata.bands[0].description.as_deref(), Some("B02"));
        assert_eq!(metadata.bands[1].scale, Some(0.0001));
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "[<>/A-Za-z\"= &;!\\[\\]-]{0,200}") {
            let _ = GdalMetadata::parse(&text, 3);
        }
    }
}
