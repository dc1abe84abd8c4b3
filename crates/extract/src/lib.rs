//! Parcels times items to statistics: plan, scan, rows
