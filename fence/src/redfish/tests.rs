//! Redfish as BMCs speak it, answer by answer: a BMC in memory that is told how to misbehave.

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use ports::Ask;
use std::sync::Mutex;

const LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Bmc {
    /// The JSON at each path.
    pages: Vec<(String, String)>,
    /// What a POST is answered with.
    post: u16,
    heard: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Bmc {
    async fn send(&self, ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let basic = ask.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let body = String::from_utf8_lossy(ask.body()).into_owned();
        self.heard.lock().unwrap().push(format!("{} {} {body}", ask.method(), ask.uri()));
        let answer = |status: u16, body: &str| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            Ok(http::Response::builder().status(status).body(body).unwrap())
        };
        // "admin:secret"
        if basic != Some(b"Basic YWRtaW46c2VjcmV0") {
            return answer(401, "no entry for secret");
        }
        if ask.method() == Method::POST {
            return answer(self.post, "");
        }
        let page = self.pages.iter().find(|(path, _)| path == ask.uri().path());
        page.map_or_else(|| answer(404, ""), |(_, body)| answer(200, body))
    }
}

fn bmc(pages: &[(&str, &str)], post: u16) -> Arc<Bmc> {
    let pages = pages.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned()));
    Arc::new(Bmc { pages: pages.collect(), post, heard: Mutex::default() })
}

fn device(bmc: &Arc<Bmc>, system: Option<&str>, password: &str) -> Redfish {
    Redfish::new(bmc.clone(), "https://10.0.0.7", system, "admin", password.into()).unwrap()
}

const SYSTEM: &str = r##"{"UUID": "00112233-4455-6677-8899-aabbccddeeff", "SerialNumber": "N/A",
    "PowerState": "On", "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1/Actions/Reset",
    "ResetType@Redfish.AllowableValues": ["On", "ForceOff"]}}}"##;

#[tokio::test]
async fn it_is_asked_who_it_is_and_ordered_off_where_it_says() {
    let bmc = bmc(&[("/redfish/v1/Systems/1", SYSTEM)], 204);
    let mut device = device(&bmc, Some("1"), "secret");
    let found = device.examine(LIMIT).await.unwrap();
    let machine = found.machine.unwrap();
    assert_eq!(found.power, Power::On);
    assert_eq!(machine.uuid.as_deref(), Some("00112233-4455-6677-8899-aabbccddeeff"));
    assert!(machine.serials.is_empty(), "a BMC that knows no serial number writes N/A");
    device.off(LIMIT).await.unwrap();
    let heard = bmc.heard.lock().unwrap().clone();
    assert_eq!(
        heard[1],
        r#"POST https://10.0.0.7/redfish/v1/Systems/1/Actions/Reset {"ResetType":"ForceOff"}"#
    );
}

#[tokio::test]
async fn it_is_given_its_power_back_only_where_it_takes_that_order() {
    let tame = bmc(&[("/redfish/v1/Systems/1", SYSTEM)], 204);
    let mut device_of_tame = device(&tame, Some("1"), "secret");
    device_of_tame.examine(LIMIT).await.unwrap();
    device_of_tame.on(LIMIT).await.unwrap();
    let heard = tame.heard.lock().unwrap().clone();
    assert_eq!(
        heard[1],
        r#"POST https://10.0.0.7/redfish/v1/Systems/1/Actions/Reset {"ResetType":"On"}"#
    );
    let page = SYSTEM.replace(r#"["On", "#, "[");
    let odd = bmc(&[("/redfish/v1/Systems/1", &page)], 204);
    let mut device_of_odd = device(&odd, Some("1"), "secret");
    device_of_odd.examine(LIMIT).await.unwrap();
    assert!(matches!(device_of_odd.on(LIMIT).await, Err(Failure::Refused(_))));
    assert_eq!(odd.heard.lock().unwrap().len(), 1, "nothing was posted");
}

#[tokio::test]
async fn without_a_system_the_only_one_is_taken_and_of_several_none() {
    let one = r#"{"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}"#;
    let alone = bmc(&[(SYSTEMS, one), ("/redfish/v1/Systems/1", SYSTEM)], 204);
    assert_eq!(device(&alone, None, "secret").look(LIMIT).await, Ok(Power::On));
    let two = r#"{"Members": [{"@odata.id": "/a"}, {"@odata.id": "/b"}]}"#;
    let twin = bmc(&[(SYSTEMS, two)], 204);
    let refused = device(&twin, None, "secret").look(LIMIT).await;
    assert!(matches!(refused, Err(Failure::Refused(why)) if why.contains("2 systems")));
}

#[tokio::test]
async fn wrong_credentials_are_told_from_a_system_that_is_not_there_and_show_no_password() {
    let bmc = bmc(&[("/redfish/v1/Systems/1", SYSTEM)], 204);
    let wrong = device(&bmc, Some("1"), "wrong").look(LIMIT).await.unwrap_err();
    assert!(matches!(&wrong, Failure::WrongCredentials(said) if said.contains("401")), "{wrong}");
    let absent = device(&bmc, Some("2"), "secret").look(LIMIT).await;
    assert!(matches!(absent, Err(Failure::Refused(said)) if said.contains("404")));
    let shown = format!("{:?}", device(&bmc, Some("1"), "secret"));
    assert!(!shown.contains("YWRtaW46c2VjcmV0") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_power_state_that_is_neither_on_nor_off_proves_nothing() {
    for (state, power) in [("\"PoweringOff\"", Power::Between), ("null", Power::Between)] {
        let page = SYSTEM.replace("\"On\", \"Actions\"", &format!("{state}, \"Actions\""));
        let bmc = bmc(&[("/redfish/v1/Systems/1", &page)], 204);
        assert_eq!(device(&bmc, Some("1"), "secret").look(LIMIT).await, Ok(power), "{state}");
    }
}

#[tokio::test]
async fn nothing_but_force_off_is_ordered() {
    let page = SYSTEM.replace(r#""ForceOff""#, r#""GracefulShutdown""#);
    let bmc = bmc(&[("/redfish/v1/Systems/1", &page)], 204);
    let mut device = device(&bmc, Some("1"), "secret");
    device.examine(LIMIT).await.unwrap();
    assert!(matches!(device.off(LIMIT).await, Err(Failure::Refused(_))));
    assert_eq!(bmc.heard.lock().unwrap().len(), 1, "nothing was posted");
}

#[tokio::test]
async fn a_busy_bmc_may_answer_later_and_rubbish_is_no_answer() {
    let busy = bmc(&[("/redfish/v1/Systems/1", SYSTEM)], 503);
    let mut device_of_busy = device(&busy, Some("1"), "secret");
    device_of_busy.examine(LIMIT).await.unwrap();
    let failure = device_of_busy.off(LIMIT).await.unwrap_err();
    assert!(failure.may_pass(), "{failure}");
    let rubbish = bmc(&[("/redfish/v1/Systems/1", "<html>")], 204);
    let failure = device(&rubbish, Some("1"), "secret").look(LIMIT).await;
    assert!(matches!(failure, Err(Failure::Garbled(_))));
}
