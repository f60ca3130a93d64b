//! Which form of an answer a caller would like best: the header `Accept`, read in the two ways in which the
//! parts of Python Masakari read it.

use http::{HeaderMap, header};

pub(crate) const JSON: &str = "application/json";
pub(crate) const MASAKARI_JSON: &str = "application/vnd.openstack.masakari+json";

/// One entry of the header.
struct Wish<'a> {
    /// `text/html`, `text/*`, `*/*`.
    range: &'a str,
    quality: f32,
    /// `version` among its parameters.
    version: Option<&'a str>,
    has_parameters: bool,
}

/// The header as text; nothing if there is none.
pub(crate) fn asked(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The entries; an entry whose quality is no number is left out.
fn wishes(accept: &str) -> impl Iterator<Item = Wish<'_>> {
    accept.split(',').filter(|entry| !entry.trim().is_empty()).filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let mut wish = Wish { range, quality: 1.0, version: None, has_parameters: false };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => wish.quality = value.trim().parse().ok()?,
                name => {
                    wish.has_parameters = true;
                    if name == "version" {
                        wish.version = Some(value.trim().trim_matches('"'));
                    }
                }
            }
        }
        Some(wish)
    })
}

/// The media type of a good answer, and the version of the API that the entry it was chosen by asks
/// for. Whoever accepts neither of ours gets JSON.
pub(crate) fn media_type(accept: &str) -> (&'static str, Option<&str>) {
    let stars = |range: &str| range.matches('*').count();
    let (mut best, mut quality, mut range, mut version) = (None, -1.0, "*/*", None);
    for ours in [JSON, MASAKARI_JSON] {
        for wish in wishes(accept) {
            let less = wish.quality < quality;
            let same = (wish.quality - quality).abs() < f32::EPSILON;
            let matches = wish.range == ours || matches!(wish.range, "*/*" | "application/*");
            if less || (same && stars(range) <= stars(wish.range)) || !matches {
                continue;
            }
            (best, quality, range, version) = (Some(ours), wish.quality, wish.range, wish.version);
        }
    }
    (best.unwrap_or(JSON), version)
}

/// Which of `offers` the header likes best, the first of equals: of the entries that match an offer
/// the most specific counts. A header that cannot be read likes everything.
pub(crate) fn best_offer<'a>(accept: &str, offers: &[&'a str]) -> Option<&'a str> {
    if wishes(accept).any(|wish| !wish.range.contains('/')) {
        return offers.first().copied();
    }
    let quality = |offer: &str| {
        let major = offer.split('/').next().unwrap_or_default();
        let matching = wishes(accept).filter_map(|wish| match wish.range.split_once('/') {
            _ if wish.has_parameters => None,
            Some(("*", "*")) => Some((0, wish.quality)),
            Some((kind, "*")) => (kind == major).then_some((1, wish.quality)),
            _ => wish.range.eq_ignore_ascii_case(offer).then_some((2, wish.quality)),
        });
        matching.max_by_key(|(specificity, _)| *specificity).map(|(_, quality)| quality)
    };
    let mut best: Option<(&str, f32)> = None;
    for offer in offers {
        let Some(quality) = quality(offer).filter(|quality| *quality > 0.0) else { continue };
        if best.is_none_or(|(_, so_far)| quality > so_far) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_is_the_one_that_is_liked_best() {
        for (accept, media) in [
            ("", JSON),
            ("text/html", JSON),
            ("*/*", JSON),
            (MASAKARI_JSON, MASAKARI_JSON),
            ("application/vnd.openstack.masakari+json, */*", MASAKARI_JSON),
            ("application/vnd.openstack.masakari+json;q=0.1, application/json", JSON),
            ("application/json;q=x, application/vnd.openstack.masakari+json;q=0.1", MASAKARI_JSON),
        ] {
            assert_eq!(media_type(accept).0, media, "{accept}");
        }
        assert_eq!(media_type("application/json;version=1").1, Some("1"));
    }

    #[test]
    fn of_the_offers_the_best_liked_is_taken_and_the_first_of_equals() {
        let offers = ["text/plain", "text/html", "application/json"];
        for (accept, offer) in [
            ("*/*", Some("text/plain")),
            ("text/*, application/json", Some("text/plain")),
            ("text/plain;q=0.5, text/html", Some("text/html")),
            ("application/*", Some("application/json")),
            ("*/*, text/plain;q=0", Some("text/html")),
            ("rubbish", Some("text/plain")),
            ("application/json;q=0", None),
            ("image/png", None),
            ("", None),
        ] {
            assert_eq!(best_offer(accept, &offers), offer, "{accept}");
        }
    }
}
