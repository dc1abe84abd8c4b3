//! Who may do what: viewers, visibility and the one decision function. Pure.
//!
//! Nobody reads without saying who: `io::Stores::resolve` and `catalog` searches take a [`Viewer`]
//! and ask [`may`].

use serde::{Deserialize, Serialize};

/// What a viewer is to this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not logged in.
    Anonymous,
    /// Logged in.
    Member,
    /// Runs the deployment: the person at the command line.
    Operator,
}

/// The person or program on whose behalf something is read or written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Viewer {
    subject: Option<String>,
    role: Role,
}

impl Viewer {
    /// Returns the viewer behind the command line: may do everything.
    pub fn operator() -> Self {
        Self {
            subject: None,
            role: Role::Operator,
        }
    }

    /// Returns a viewer who did not log in.
    pub fn anonymous() -> Self {
        Self {
            subject: None,
            role: Role::Anonymous,
        }
    }

    /// Returns a logged-in viewer.
    pub fn member(subject: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            role: Role::Member,
        }
    }

    /// Returns who it is, `None` for the operator and for those who did not log in.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns the viewer's role.
    pub fn role(&self) -> Role {
        self.role
    }
}

/// Who sees a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Its owner and the operator.
    Private,
}

/// What a viewer wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See it and read its bytes.
    Read,
    /// Change or remove it.
    Write,
}

/// Something that is shown or withheld as a whole: a collection, a parcel set, a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    id: String,
    owner: Option<String>,
    visibility: Visibility,
    /// Hrefs of this resource must lie under one of these; `None`: typed by the user, anywhere.
    prefixes: Option<Vec<String>>,
}

impl Resource {
    /// Returns a resource as the catalogue knows it; its hrefs must lie under `prefixes`.
    pub fn new(
        id: impl Into<String>,
        owner: Option<String>,
        visibility: Visibility,
        prefixes: Vec<String>,
    ) -> Self {
        Self {
            id: id.into(),
            owner,
            visibility,
            prefixes: Some(prefixes),
        }
    }

    /// Returns the resource behind a path or URL that the user typed: for the operator only.
    pub fn direct() -> Self {
        Self {
            id: "direct".into(),
            owner: None,
            visibility: Visibility::Private,
            prefixes: None,
        }
    }

    /// Returns the resource's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns who owns it.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Returns who sees it.
    pub fn visibility(&self) -> Visibility {
        self.visibility
    }

    /// Returns the prefixes that hrefs must lie under; none for [`Resource::direct`].
    pub fn prefixes(&self) -> &[String] {
        self.prefixes.as_deref().unwrap_or_default()
    }

    /// True where `href` lies under one of the resource's prefixes and does not climb out of it.
    pub fn holds(&self, href: &str) -> bool {
        let Some(prefixes) = &self.prefixes else {
            return true;
        };
        let climbs = href.split(['/', '\\']).any(|part| {
            part == ".."
                || part.eq_ignore_ascii_case("%2e%2e")
                || part.eq_ignore_ascii_case(".%2e")
                || part.eq_ignore_ascii_case("%2e.")
        });
        // Readers of URLs drop tabs and line ends: `.\t.` would climb after all.
        let is_plain = !href.chars().any(char::is_control);
        !climbs
            && is_plain
            && prefixes.iter().any(|prefix| {
                let folder = prefix.trim_end_matches('/');
                href.strip_prefix(folder)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

/// Decides whether `viewer` may perform `action` on `resource`.
pub fn may(viewer: &Viewer, action: Action, resource: &Resource) -> bool {
    let is_owner = viewer.subject.is_some() && viewer.subject == resource.owner;
    match viewer.role {
        Role::Operator => true,
        _ if resource.prefixes.is_none() => false,
        Role::Member | Role::Anonymous => match action {
            Action::Read => resource.visibility == Visibility::Public || is_owner,
            Action::Write => is_owner,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> Resource {
        Resource::new(
            "mine",
            Some("ada".into()),
            Visibility::Private,
            vec!["s3://b/mine/".into()],
        )
    }

    #[test]
    fn only_owner_and_operator_see_what_is_private() {
        assert!(may(&Viewer::operator(), Action::Read, &private()));
        assert!(may(&Viewer::member("ada"), Action::Write, &private()));
        assert!(!may(&Viewer::member("bob"), Action::Read, &private()));
        assert!(!may(&Viewer::anonymous(), Action::Read, &private()));
    }

    #[test]
    fn typed_paths_are_for_the_operator() {
        assert!(may(&Viewer::operator(), Action::Read, &Resource::direct()));
        assert!(!may(
            &Viewer::member("ada"),
            Action::Read,
            &Resource::direct()
        ));
    }

    #[test]
    fn hrefs_stay_under_their_prefix() {
        assert!(private().holds("s3://b/mine/x.tif"));
        assert!(!private().holds("s3://b/mine-too/x.tif"));
        assert!(!private().holds("s3://b/mine/../other/x.tif"));
        assert!(!private().holds("s3://b/mine/%2E%2e/other/x.tif"));
        assert!(!private().holds("s3://b/mine/.\t./other/x.tif"));
        assert!(!private().holds("s3://b/mine/.\n./other/x.tif"));
    }
}
