//! Who may do what: viewers, roles, visibility and the one decision function
