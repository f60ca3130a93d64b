//! Microversions of Masakari's API: `OpenStack-API-Version: instance-ha 1.0` to `1.3`.

use crate::fault::Fault;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

const HEADER: HeaderName = HeaderName::from_static("openstack-api-version");
const SERVICE_TYPE: &str = "instance-ha";

/// What each version added is said by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Version {
    Initial,
    ProgressDetails,
    SegmentEnabled,
    VMoves,
}

impl Version {
    pub(crate) const MIN: &'static str = "1.0";
    pub(crate) const MAX: &'static str = "1.3";

    const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "1.0",
            Self::ProgressDetails => "1.1",
            Self::SegmentEnabled => "1.2",
            Self::VMoves => "1.3",
        }
    }

    /// The version that the headers ask for; the oldest if they ask for none of ours. The fault comes
    /// as the response, because one of the two carries `Vary`.
    pub(crate) fn asked(headers: &HeaderMap) -> Result<Self, Box<Response>> {
        // Latin-1, as Python reads it.
        let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
        let values: Vec<String> = headers.get_all(HEADER).iter().map(text).collect();
        let asked = values
            .iter()
            .flat_map(|value| value.split(','))
            .filter_map(|entry| entry.trim().split_once(char::is_whitespace))
            .rfind(|(service, _)| service.eq_ignore_ascii_case(SERVICE_TYPE));
        match asked.map(|(_, version)| version.trim()) {
            None | Some("1.0") => Ok(Self::Initial),
            Some("1.1") => Ok(Self::ProgressDetails),
            Some("1.2") => Ok(Self::SegmentEnabled),
            Some("1.3" | "latest") => Ok(Self::VMoves),
            Some(other) => Err(Box::new(refusal(other))),
        }
    }

    /// Tells the version in the headers of `response`.
    pub(crate) fn stamp(self, mut response: Response) -> Response {
        let value = format!("{SERVICE_TYPE} {}", self.as_str());
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HEADER, value);
        }
        vary(response)
    }
}

fn vary(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("OpenStack-API-Version"));
    response
}

fn refusal(asked: &str) -> Response {
    let number = |text: &str| {
        text.chars().all(|c| c.is_ascii_digit())
            && !text.is_empty()
            && (text == "0" || !text.starts_with('0'))
    };
    let well_formed =
        asked.split_once('.').is_some_and(|(x, y)| number(x) && x != "0" && number(y));
    if well_formed {
        let message = format!(
            "Version {asked} is not supported by the API. Minimum is {} and maximum is {}.",
            Version::MIN,
            Version::MAX
        );
        vary(Fault::new(StatusCode::NOT_ACCEPTABLE, message).into_response())
    } else {
        let message = format!(
            "API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
        );
        Fault::bad(message).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(header: &str) -> Result<Version, StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(header).unwrap());
        Version::asked(&headers).map_err(|response| response.status())
    }

    #[test]
    fn the_last_entry_for_our_service_counts() {
        assert_eq!(asked("instance-ha 1.2"), Ok(Version::SegmentEnabled));
        assert_eq!(asked("compute 2.53, INSTANCE-HA 1.1"), Ok(Version::ProgressDetails));
        assert_eq!(asked("instance-ha latest"), Ok(Version::VMoves));
        assert_eq!(asked("instance-ha 1.1, instance-ha 1.2"), Ok(Version::SegmentEnabled));
    }

    #[test]
    fn other_services_mean_the_oldest_version() {
        for header in ["", "instance-ha", "ha 1.2", "masakari 1.3", "compute 2.53"] {
            assert_eq!(asked(header), Ok(Version::Initial), "{header}");
        }
    }

    #[test]
    fn a_version_we_do_not_have_is_406_and_rubbish_is_400() {
        for (version, status) in
            [("1.4", 406), ("2.0", 406), ("0.9", 400), ("1", 400), ("1.01", 400), ("1.2 x", 400)]
        {
            let refused = asked(&format!("instance-ha {version}")).unwrap_err();
            assert_eq!(refused.as_u16(), status, "{version}");
        }
    }
}
