//! What a real cluster answered in each state, and what is made of it.
//!
//! `fixtures/STATE.NODE.crm_mon.xml` is what `crm_mon --output-as=xml` printed on that node of a Pacemaker 2.1.5 (without resources and
//! histories of operations), `.cib.xml` what `cibadmin --query` did.

use monitor::hosts::pacemaker::{
    cib::Cib,
    crm_mon::{BYTES_MOST, Cluster, Node, Unreadable},
    digest::{LastSeen, Wanted, online, round},
};
use recovery::{
    HostName, Millis,
    evidence::Kind,
    verdict::{Quorum, Round, Sight},
};
use std::path::PathBuf;

fn file(name: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/fixtures");
    std::fs::read_to_string(folder.join(name)).ok()
}

fn cluster(state: &str) -> Result<Cluster, Unreadable> {
    Cluster::read(&file(&format!("{state}.crm_mon.xml")).unwrap())
}

fn cib(state: &str) -> Option<Cib> {
    Some(Cib::read(&file(&format!("{state}.cib.xml"))?).unwrap())
}

fn wanted(own: &str) -> Wanted {
    let (own, is_remote) = (HostName::new(own), own.starts_with("cmp"));
    Wanted { own, remotes_only: false, is_remote, began: Millis(0) }
}

fn seen_at(state: &str) -> Round {
    let own = state.split('.').nth(1).unwrap();
    round(&cluster(state).unwrap(), cib(state).as_ref(), &LastSeen::new(), &wanted(own))
}

/// Who is not simply online: `cmp1 offline cluster_fenced`.
fn told(round: &Round) -> Vec<String> {
    let not_online = round.hosts.iter().filter(|seen| seen.sight != Sight::Online);
    let told = not_online.map(|seen| {
        let sight = match seen.sight {
            Sight::Online => "online",
            Sight::Offline => "offline",
            Sight::Uncertain => "uncertain",
        };
        let proof = seen.proof.as_ref().map(|proof| format!(" {}", proof.kind));
        format!("{} {sight}{}", seen.host, proof.unwrap_or_default())
    });
    told.collect()
}

#[test]
fn each_state_of_a_real_cluster_is_seen_for_what_it_is() {
    for (state, expected) in [
        ("all-online.ctl1", &[][..]),
        ("remote-killed-fencing.ctl1", &["cmp1 offline"]),
        ("remote-killed-fenced.ctl1", &["cmp1 offline cluster_fenced"]),
        ("remote-cut-fenced.ctl1", &["cmp1 offline cluster_fenced"]),
        ("remote-unclean-fence-failed.ctl1", &["cmp1 offline"]),
        ("member-lost-fencing.ctl1", &["ctl3 offline"]),
        ("standby.ctl1", &[]),
        ("maintenance-mode-remote-killed.ctl1", &["cmp1 uncertain"]),
        // Offline and clean: nobody fenced it.
        ("remote-disabled-clean.ctl1", &["cmp2 offline"]),
        ("member-stopped-clean.ctl1", &["ctl3 offline"]),
        ("partition-majority.ctl1", &["ctl3 offline"]),
    ] {
        let round = seen_at(state);
        assert_eq!(round.quorum, Quorum::Quorate, "{state}");
        assert_eq!(told(&round), expected, "{state}");
    }
}

#[test]
fn the_smaller_part_and_who_is_cut_off_say_nothing() {
    for state in ["partition-minority-no-quorum.ctl3", "no-quorum.ctl1"] {
        let round = seen_at(state);
        let why = "Pacemaker cluster doesn't have quorum.".to_owned();
        assert_eq!(round, Round::silent(Quorum::NotQuorate { why }), "{state}");
    }
    let away = "Could not connect to the CIB: Transport endpoint is not connected";
    assert_eq!(cluster("no-quorum.cmp1"), Err(Unreadable::Said(away.into())));
    let stopped = cluster("local-not-running.ctl3").unwrap_err().to_string();
    assert!(stopped.contains("Connection to cluster failed"), "{stopped}");
    // A member that the others have put out.
    let well = cluster("all-online.ctl1").unwrap();
    let puts_out: [fn(&mut Node); 3] =
        [|own| own.is_pending = true, |own| own.is_unclean = true, |own| own.is_online = false];
    for put_out in puts_out {
        let mut sick = well.clone();
        // The coordinator is another one.
        sick.coordinator = Some("ctl2".into());
        put_out(node(&mut sick, "ctl1"));
        let silent = round(&sick, None, &LastSeen::new(), &wanted("ctl1"));
        assert!(matches!(silent.quorum, Quorum::CutOff { .. }), "{silent:?}");
        // A remote has no part in that.
        let of_remote = round(&sick, None, &LastSeen::new(), &wanted("cmp1"));
        assert_eq!(of_remote.quorum, Quorum::Quorate);
    }
    let mut leaderless = well;
    leaderless.coordinator = None;
    let silent = round(&leaderless, None, &LastSeen::new(), &wanted("ctl1"));
    assert!(matches!(silent.quorum, Quorum::CutOff { .. }));
    // The quorum is of a coordinator that is gone.
    let mut orphaned = cluster("partition-majority.ctl1").unwrap();
    orphaned.coordinator = Some("ctl3".into());
    let silent = round(&orphaned, None, &LastSeen::new(), &wanted("ctl1"));
    let why = "ctl3, Pacemaker's coordinator (DC), is lost; another is awaited".to_owned();
    assert_eq!(silent, Round::silent(Quorum::CutOff { why }));
}

fn node<'c>(cluster: &'c mut Cluster, name: &str) -> &'c mut Node {
    cluster.nodes.iter_mut().find(|node| node.name == name).unwrap()
}

#[test]
fn who_joins_or_leaves_or_is_worked_at_is_uncertain() {
    let well = cluster("all-online.ctl1").unwrap();
    let changes: [fn(&mut Cluster); 5] = [
        |cluster| node(cluster, "ctl3").is_pending = true,
        |cluster| {
            let joins = node(cluster, "ctl3");
            (joins.is_online, joins.is_pending) = (false, true);
        },
        |cluster| node(cluster, "ctl3").is_unclean = true,
        |cluster| {
            let worked_at = node(cluster, "ctl3");
            (worked_at.is_online, worked_at.is_maintained) = (false, true);
        },
        |cluster| {
            cluster.is_maintained = true;
            node(cluster, "ctl3").is_online = false;
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut cluster = well.clone();
        change(&mut cluster);
        let round = round(&cluster, None, &LastSeen::new(), &wanted("ctl1"));
        assert_eq!(told(&round), ["ctl3 uncertain"], "{number}");
    }
}

#[test]
fn remotes_alone_are_watched_where_that_is_wanted_and_guests_never() {
    let mut cluster = cluster("all-online.ctl1").unwrap();
    let names = |cluster: &Cluster, remotes_only| -> Vec<String> {
        let wanted = Wanted { remotes_only, ..wanted("ctl1") };
        let round = round(cluster, None, &LastSeen::new(), &wanted);
        round.hosts.iter().map(|seen| seen.host.to_string()).collect()
    };
    assert_eq!(names(&cluster, true), ["cmp1", "cmp2"]);
    assert_eq!(names(&cluster, false), ["cmp1", "cmp2", "ctl1", "ctl2", "ctl3"]);
    let text = file("all-online.ctl1.crm_mon.xml").unwrap();
    let guest = text.replacen("id=\"cmp1\"", "id=\"cmp1\" id_as_resource=\"vm1\"", 1);
    cluster = Cluster::read(&guest).unwrap();
    assert_eq!(names(&cluster, true), ["cmp2"]);
}

/// Half a minute after it has fenced a remote Pacemaker tries to reach it again, and `crm_mon` shows it online for as long.
#[test]
fn a_remote_that_is_tried_again_is_not_back() {
    let text = file("remote-killed-fenced.ctl1.crm_mon.xml").unwrap();
    let tried = text.replace("id=\"cmp1\" online=\"false\"", "id=\"cmp1\" online=\"true\"");
    assert_ne!(tried, text);
    let cluster = Cluster::read(&tried).unwrap();
    let cib = cib("remote-killed-fenced.ctl1").unwrap();
    let with = |cib| told(&round(&cluster, cib, &LastSeen::new(), &wanted("ctl1")));
    // Who looks but now has never seen it offline.
    assert_eq!(with(Some(&cib)), ["cmp1 offline cluster_fenced"]);
    let mut unfenced = cib.clone();
    unfenced.states.get_mut("cmp1").unwrap().fenced = None;
    assert_eq!(with(Some(&unfenced)), ["cmp1 uncertain"]);
    let mut back = cib.clone();
    back.states.get_mut("cmp1").unwrap().is_there = true;
    assert_eq!(with(Some(&back)), [""; 0]);
}

/// Pacemaker 2.1.5 goes on to have it as not there after a coordinator has left: the CIB of the case `coordinator-killed`, once.
#[test]
fn of_a_remote_that_is_back_an_older_fencing_proves_nothing_although_the_cib_does_not_have_it() {
    let state = "remote-killed-fenced.ctl1";
    let (fenced, mut released) = (cib(state).unwrap(), cib(state).unwrap());
    released.states.get_mut("cmp1").unwrap().fenced = None;
    let offline = cluster(state).unwrap();
    let mut shown = offline.clone();
    node(&mut shown, "cmp1").is_online = true;
    let (began, wanted) = (LastSeen::new(), wanted("ctl1"));
    let is_seen = |cib: &Cib| {
        let round = round(&shown, Some(cib), &began, &wanted);
        online(&shown, Some(cib), &round).any(|host| host == "cmp1")
    };
    assert!(is_seen(&released) && !is_seen(&fenced));
    let completed = Millis(1_795_227_248_000);
    let after = |seen: i64| {
        let seen = LastSeen::from([("cmp1".to_owned(), completed.plus(seen))]);
        told(&round(&offline, Some(&released), &seen, &wanted))
    };
    assert_eq!(after(-1), ["cmp1 offline cluster_fenced"]);
    assert_eq!(after(1), ["cmp1 offline"]);
}

/// A new coordinator deletes the history of every member, in which the connections of the remotes are, and writes it anew. For
/// some seconds `crm_mon` shows remotes offline that live.
#[test]
fn a_remote_whose_history_is_written_anew_is_not_lost() {
    fn with(cluster: &Cluster, cib: &Cib) -> Vec<String> {
        told(&round(cluster, Some(cib), &LastSeen::new(), &wanted("ctl1")))
    }
    let state = "remote-disabled-clean.ctl1";
    let (cluster, mut cib) = (cluster(state).unwrap(), cib(state).unwrap());
    assert_eq!(with(&cluster, &cib), ["cmp2 offline"]);
    cib.states.get_mut("cmp2").unwrap().is_there = true;
    assert_eq!(with(&cluster, &cib), ["cmp2 uncertain"]);
    let mut unclean = cluster.clone();
    unclean.nodes.iter_mut().find(|node| node.name == "cmp2").unwrap().is_unclean = true;
    assert_eq!(with(&unclean, &cib), ["cmp2 uncertain"]);
}

/// A cluster, and whether its CIB has cmp1; what is made of it, when cmp1 was seen so long after the newest fencing that failed.
fn fenced_in_vain(cluster: &Cluster, is_there: bool, seen: Option<i64>, began: i64) -> Vec<String> {
    // As in the fixture: the newest of three.
    let failed = Millis(1_795_228_080_000);
    let mut cib = cib("remote-unclean-fence-failed.ctl1").unwrap();
    cib.states.get_mut("cmp1").unwrap().is_there = is_there;
    let seen = seen.map(|after| ("cmp1".to_owned(), failed.plus(after)));
    let wanted = Wanted { began: failed.plus(began), ..wanted("ctl1") };
    told(&round(cluster, Some(&cib), &seen.into_iter().collect(), &wanted))
}

#[test]
fn a_remote_that_is_not_seen_is_told_when_its_fencing_has_failed_since_it_was() {
    let cluster = cluster("remote-unclean-fence-failed.ctl1").unwrap();
    let told = |seen, began| fenced_in_vain(&cluster, true, seen, began);
    assert_eq!(told(Some(0), 1), ["cmp1 offline"]);
    assert_eq!(told(Some(1), -1), ["cmp1 uncertain"], "it was seen since");
    assert_eq!(told(None, 0), ["cmp1 offline"]);
    assert_eq!(told(None, 1), ["cmp1 uncertain"], "of before we came");
    for (target, status) in [("cmp2", "failed"), ("cmp1", "pending"), ("cmp1", "success")] {
        let mut other = cluster.clone();
        let newest = other.fencings.iter_mut().max_by_key(|fencing| fencing.completed).unwrap();
        (newest.target, newest.status) = (target.into(), status.into());
        let told = fenced_in_vain(&other, true, Some(0), 0);
        assert_eq!(told, ["cmp1 uncertain"], "{target} {status}");
    }
}

/// As Pacemaker 2.1.5 shows it: of the remotes of a member that is lost it says that they are online, while it fences them.
#[test]
fn a_remote_whose_member_is_lost_is_not_seen_although_pacemaker_shows_it_online() {
    let mut lost = cluster("remote-unclean-fence-failed.ctl1").unwrap();
    let remote = node(&mut lost, "cmp1");
    (remote.is_online, remote.is_unclean) = (true, false);
    let with = |members: &[&str], seen| {
        let mut cluster = lost.clone();
        let member = node(&mut cluster, "ctl2");
        (member.is_online, member.is_unclean) = (false, true);
        let members = members.iter().map(ToString::to_string).collect();
        cluster.connections.insert("cmp1".into(), members);
        fenced_in_vain(&cluster, true, Some(seen), 0)
    };
    assert_eq!(with(&["ctl2"], 1), ["cmp1 uncertain", "ctl2 offline"]);
    assert_eq!(with(&["ctl2"], 0), ["cmp1 offline", "ctl2 offline"]);
    // It moves, or nobody has it.
    for members in [&["ctl2", "ctl3"][..], &["ctl1"], &[]] {
        assert_eq!(with(members, 0), ["ctl2 offline"], "{members:?}");
    }
}

#[test]
fn who_has_the_connection_to_a_remote_is_read_from_its_resource() {
    let text = file("all-online.ctl1.crm_mon.xml").unwrap();
    assert!(Cluster::read(&text).unwrap().connections.is_empty());
    let one = |id: &str, agent: &str, on: &str| {
        format!("<resource id=\"{id}\" resource_agent=\"{agent}\" role=\"Started\">{on}</resource>")
    };
    let node = |name: &str| format!("<node name=\"{name}\" id=\"1\" cached=\"true\"/>");
    let resources = [
        one("cmp1", "ocf:pacemaker:remote", &node("ctl2")),
        format!(
            "<group id=\"g\">{}</group>",
            one("cmp2", "ocf::pacemaker:remote", &(node("ctl1") + &node("ctl3")))
        ),
        one("cmp3", "ocf:pacemaker:remote", ""),
        one("nova", "ocf:pacemaker:Dummy", &node("cmp1")),
    ];
    let text =
        text.replace("</nodes>", &format!("</nodes><resources>{}</resources>", resources.concat()));
    let read = Cluster::read(&text).unwrap().connections;
    let read: Vec<(&str, String)> =
        read.iter().map(|(remote, by)| (remote.as_str(), by.join(" "))).collect();
    let expected = [("cmp1", "ctl2"), ("cmp2", "ctl1 ctl3"), ("cmp3", "")];
    assert_eq!(read, expected.map(|(remote, by)| (remote, by.to_owned())));
}

/// A fencing is proof of the loss that we saw, and of no later one.
#[test]
fn a_fencing_proves_a_death_only_if_it_is_newer_than_the_last_sight_of_the_host() {
    let state = "remote-killed-fenced.ctl1";
    let (cluster, cib) = (cluster(state).unwrap(), cib(state).unwrap());
    let completed = Millis(1_795_227_248_000);
    let proof = |cib: Option<&Cib>, seen: Option<i64>| {
        let seen = seen.map(|after| ("cmp1".to_owned(), completed.plus(after)));
        let round = round(&cluster, cib, &seen.into_iter().collect(), &wanted("ctl1"));
        round.hosts.into_iter().find_map(|seen| seen.proof)
    };
    let said = proof(Some(&cib), None).unwrap();
    assert_eq!((said.kind, said.at), (Kind::ClusterFenced, completed));
    assert_eq!(
        said.detail,
        "Pacemaker: reboot of cmp1 by ctl3 for pacemaker-controld.59: success, completed 2026-11-21T02:14:08Z"
    );
    // Of somebody else, or before it was to be fenced again.
    for (target, is_unclean) in [("cmp2", false), ("cmp1", true)] {
        let mut other = cluster.clone();
        other.fencings.iter_mut().for_each(|fencing| fencing.target = target.into());
        node(&mut other, "cmp1").is_unclean = is_unclean;
        let seen = LastSeen::from([("cmp1".to_owned(), Millis(0))]);
        let round = round(&other, None, &seen, &wanted("ctl1"));
        assert_eq!(told(&round), ["cmp1 offline"], "{target}");
    }
    // Members have no node_fenced.
    assert_eq!(proof(None, Some(-1000)).unwrap().at, completed);
    assert_eq!(proof(None, Some(1)), None);
    assert_eq!(proof(None, None), None);
    // The CIB says of another fencing than the newest that is known.
    let mut other = cib.clone();
    other.states.get_mut("cmp1").unwrap().fenced = Some(completed.plus(-3_600_000));
    assert_eq!(proof(Some(&other), None), None);
}

#[test]
fn what_a_person_confirmed_is_a_persons_word() {
    let text = file("remote-killed-fenced.ctl1.crm_mon.xml").unwrap();
    let text = text.replace("delegate=\"ctl3\"", "delegate=\"a human\"");
    let cluster = Cluster::read(&text).unwrap();
    let cib = cib("remote-killed-fenced.ctl1").unwrap();
    let round = round(&cluster, Some(&cib), &LastSeen::new(), &wanted("ctl1"));
    let proof = round.hosts.into_iter().find_map(|seen| seen.proof).unwrap();
    assert_eq!(proof.kind, Kind::OperatorConfirmed);
    assert!(proof.detail.starts_with("stonith_admin --confirm cmp1"), "{}", proof.detail);
}

#[test]
fn a_failed_or_unfinished_fencing_and_one_to_switch_on_prove_nothing() {
    let text = file("remote-killed-fenced.ctl1.crm_mon.xml").unwrap();
    for (from, to) in [
        ("status=\"success\"", "status=\"failed\""),
        ("status=\"success\"", "status=\"pending\""),
        ("action=\"reboot\"", "action=\"on\""),
        ("completed=\"2026-11-21 02:14:08Z\"", "completed=\"Sat Nov 21 02:14:08 2026\""),
    ] {
        assert!(text.contains(from), "{from}");
        let cluster = Cluster::read(&text.replace(from, to)).unwrap();
        let seen = LastSeen::from([("cmp1".to_owned(), Millis(0))]);
        let round = round(&cluster, None, &seen, &wanted("ctl1"));
        assert_eq!(told(&round), ["cmp1 offline"], "{to}");
    }
}

/// Older and newer versions write the time of a fencing with or without a zone's colon.
#[test]
fn the_moment_of_a_fencing_is_read_with_its_zone() {
    let text = file("remote-killed-fenced.ctl1.crm_mon.xml").unwrap();
    for completed in
        ["2026-11-21 03:14:08 +01:00", "2026-11-21 02:14:08.123456Z", "2026-11-21 02:14:08+0000"]
    {
        let cluster = Cluster::read(&text.replace("2026-11-21 02:14:08Z", completed)).unwrap();
        let at = cluster.fencings[0].completed.unwrap();
        assert_eq!(at.utc(), "2026-11-21T02:14:08Z", "{completed}");
    }
}

#[test]
fn a_malformed_or_huge_answer_is_refused_and_says_why() {
    let well = file("all-online.ctl1.crm_mon.xml").unwrap();
    for (text, said) in [
        (String::new(), "it is no XML"),
        ("Cluster is not available on this node".into(), "it is no XML"),
        (well[..well.len() / 2].to_owned(), "it is no XML"),
        ("<html/>".into(), "it is <html>"),
        (well.replace("api-version=\"2.25\"", "api-version=\"3.0\""), "\"3.0\"; 2.x is known here"),
        ("<pacemaker-result api-version=\"2.25\"/>".into(), "it has no <summary>"),
        (well.replace("name=\"cmp1\" ", ""), "<node> has no name"),
        (well.replace("online=\"true\" ", ""), "<node> has no online"),
        ("x".repeat(BYTES_MOST + 1), "bytes long, and at most"),
        // A DTD could unfold without end.
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".into(), "it is no XML"),
        (
            format!("<pacemaker-result>{}</pacemaker-result>", "<a/>".repeat(500_000)),
            "it is no XML",
        ),
    ] {
        let why = Cluster::read(&text).unwrap_err().to_string();
        assert!(why.contains(said), "{said}: {why}");
    }
    assert!(Cib::read("<cib").is_err() && Cib::read("<a/>").is_err());
}

/// Since Pacemaker 2.1.7 it is the moment.
#[test]
fn whether_the_cib_has_a_node_is_a_word_or_the_moment_since_when() {
    for (in_ccm, is_there) in
        [("true", true), ("false", false), ("1700000000", true), ("0", false), ("", false)]
    {
        let text = format!("<cib><node_state uname=\"cmp1\" in_ccm=\"{in_ccm}\"/></cib>");
        assert_eq!(Cib::read(&text).unwrap().states["cmp1"].is_there, is_there, "{in_ccm}");
    }
}

#[test]
fn a_bmc_is_found_by_its_host_and_its_password_is_shown_to_nobody() {
    let text = "<cib><configuration><resources>\
        <group id=\"g\"><primitive id=\"a\" class=\"stonith\" type=\"external/ipmi\"><instance_attributes id=\"ai\">\
        <nvpair name=\"hostname\" value=\"cmp1\"/><nvpair name=\"ipaddr\" value=\"192.0.2.1\"/>\
        <nvpair name=\"userid\" value=\"u\"/><nvpair name=\"passwd\" value=\"geheim\"/>\
        <nvpair name=\"interface\" value=\"lan\"/></instance_attributes></primitive></group>\
        <primitive id=\"b\" class=\"stonith\" type=\"fence_ipmilan\"><instance_attributes id=\"bi\">\
        <nvpair name=\"pcmk_host_list\" value=\"cmp2 cmp3\"/><nvpair name=\"ip\" value=\"192.0.2.2\"/>\
        <nvpair name=\"username\" value=\"u\"/><nvpair name=\"password\" value=\"geheim\"/>\
        <nvpair name=\"lanplus\" value=\"1\"/><nvpair name=\"cipher\" value=\"17\"/></instance_attributes></primitive>\
        <primitive id=\"c\" class=\"ocf\" type=\"external/ipmi\"/></resources></configuration></cib>";
    let cib = Cib::read(text).unwrap();
    let found = |host: &str| {
        let bmc = cib.bmc(&HostName::new(host))?;
        Some((bmc.address.as_str(), bmc.interface.as_str(), bmc.cipher.as_deref()))
    };
    assert_eq!(found("cmp1.example.org"), Some(("192.0.2.1", "lan", None)));
    assert_eq!(found("cmp3"), Some(("192.0.2.2", "lanplus", Some("17"))));
    assert_eq!(found("cmp4"), None);
    assert!(!format!("{cib:?}").contains("geheim"));
}
