//! `$metadata`: the part of the data space's model that is served.

use crate::products::markup::Element;

/// Media type of the document.
pub(crate) const MEDIA_TYPE: &str = "application/xml";

const PRODUCT: &[(&str, &str)] = &[
    ("Id", "Edm.Guid"),
    ("Name", "Edm.String"),
    ("ContentType", "Edm.String"),
    ("ContentLength", "Edm.Int64"),
    ("OriginDate", "Edm.DateTimeOffset"),
    ("PublicationDate", "Edm.DateTimeOffset"),
    ("ModificationDate", "Edm.DateTimeOffset"),
    ("Online", "Edm.Boolean"),
    ("EvictionDate", "Edm.String"),
    ("S3Path", "Edm.String"),
    ("Checksum", "Collection(OData.CSC.Checksum)"),
    ("ContentDate", "OData.CSC.TimeRange"),
    ("Footprint", "Edm.String"),
    ("GeoFootprint", "Edm.Geography"),
];

const ATTRIBUTES: &[(&str, &str)] = &[
    ("StringAttribute", "Edm.String"),
    ("IntegerAttribute", "Edm.Int64"),
    ("DoubleAttribute", "Edm.Double"),
    ("DateTimeOffsetAttribute", "Edm.DateTimeOffset"),
];

/// Returns the document (CSDL 4.01).
pub(crate) fn write() -> String {
    let schema = Element::new("Schema")
        .with("xmlns", "http://docs.oasis-open.org/odata/ns/edm")
        .with("Namespace", "OData.CSC")
        .child(product())
        .child(complex(
            "TimeRange",
            &[
                ("Start", "Edm.DateTimeOffset"),
                ("End", "Edm.DateTimeOffset"),
            ],
        ))
        .child(complex(
            "Checksum",
            &[
                ("Value", "Edm.String"),
                ("Algorithm", "Edm.String"),
                ("ChecksumDate", "Edm.DateTimeOffset"),
            ],
        ))
        .child(attribute())
        .children(
            ATTRIBUTES
                .iter()
                .map(|(name, value)| typed_attribute(name, value)),
        )
        .child(container());
    Element::new("edmx:Edmx")
        .with("xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx")
        .with("Version", "4.01")
        .child(Element::new("edmx:DataServices").child(schema))
        .document()
}

fn property(name: &str, kind: &str) -> Element {
    Element::new("Property")
        .with("Name", name)
        .with("Type", kind)
}

fn complex(name: &str, properties: &[(&str, &str)]) -> Element {
    Element::new("ComplexType")
        .with("Name", name)
        .children(properties.iter().map(|(name, kind)| property(name, kind)))
}

fn product() -> Element {
    let key = Element::new("Key").child(Element::new("PropertyRef").with("Name", "Id"));
    let attributes = Element::new("NavigationProperty")
        .with("Name", "Attributes")
        .with("Type", "Collection(OData.CSC.Attribute)")
        .with("ContainsTarget", "true");
    Element::new("EntityType")
        .with("Name", "Product")
        .with("HasStream", "true")
        .child(key)
        .children(PRODUCT.iter().map(|(name, kind)| property(name, kind)))
        .child(attributes)
}

fn attribute() -> Element {
    let key = Element::new("Key").child(Element::new("PropertyRef").with("Name", "Name"));
    Element::new("EntityType")
        .with("Name", "Attribute")
        .with("Abstract", "true")
        .child(key)
        .child(property("Name", "Edm.String"))
        .child(property("ValueType", "Edm.String"))
}

fn typed_attribute(name: &str, value: &str) -> Element {
    Element::new("EntityType")
        .with("Name", name)
        .with("BaseType", "OData.CSC.Attribute")
        .child(property("Value", value))
}

fn container() -> Element {
    let products = Element::new("EntitySet")
        .with("Name", "Products")
        .with("EntityType", "OData.CSC.Product");
    Element::new("EntityContainer")
        .with("Name", "Container")
        .child(products)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_well_formed() {
        let text = super::write();
        let document = roxmltree::Document::parse(&text).expect("well formed");
        assert!(
            document
                .descendants()
                .any(|node| node.attribute("Name") == Some("GeoFootprint"))
        );
    }
}
