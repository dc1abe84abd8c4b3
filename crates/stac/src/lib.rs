//! STAC items, collections, assets and datetimes
