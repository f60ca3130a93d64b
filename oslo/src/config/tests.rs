use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::Secret;

const OPTIONS: &[Opt] = &[
    Opt::new("DEFAULT", "a", Kind::Str),
    Opt::new("DEFAULT", "b", Kind::Str),
    Opt::new("DEFAULT", "home", Kind::Str).default("${state_path}"),
    Opt::new("DEFAULT", "state_path", Kind::Str).default("/var/$g.c"),
    Opt::new("DEFAULT", "number", Kind::INT),
    Opt::new("DEFAULT", "wait", Kind::Int { min: 1, max: 9 })
        .default("3")
        .help("How long to wait."),
    Opt::new("DEFAULT", "ratio", Kind::FLOAT),
    Opt::new("DEFAULT", "share", Kind::Float { min: 0.0, max: 1.0 }),
    Opt::new("DEFAULT", "flag", Kind::Bool).default("no"),
    Opt::new("DEFAULT", "port", Kind::Port).default("15868"),
    Opt::new("DEFAULT", "list", Kind::List),
    Opt::new("DEFAULT", "multi", Kind::MultiStr),
    Opt::new("DEFAULT", "twins", Kind::MultiStr).default("x\ny"),
    Opt::new("DEFAULT", "dict", Kind::Dict),
    Opt::new("DEFAULT", "flows", Kind::DictOfLists).default("pre:['t1'],main:['t2', 't3'],post:[]"),
    Opt::new("DEFAULT", "backend", Kind::Str).choices(&["p", "q"]).default("p"),
    Opt::new("DEFAULT", "gone", Kind::Str).standing(Standing::Ignored("there is no queue")),
    Opt::new("DEFAULT", "leaving", Kind::Str).standing(Standing::Retiring("use [g] c")),
    Opt::new("g", "c", Kind::Str),
    Opt::new("g", "d", Kind::Str),
    Opt::new("g", "long-name", Kind::Str).deprecated(&[("h", "old"), ("DEFAULT", "older")]),
    Opt::new("g", "many", Kind::MultiStr).deprecated(&[("h", "many")]),
    Opt::new("database", "connection", Kind::Secret),
];

fn file(path: &str, text: &str) -> Source {
    Source::File { path: path.into(), text: text.to_owned() }
}

fn load(text: &str) -> (Values, Vec<Finding>) {
    Values::load(&[file("x.conf", text)], &[OPTIONS])
}

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}

#[test]
fn a_value_is_read_as_the_original_reads_it() {
    for (lines, expected) in [
        ("a = 1", "1"),
        ("a: 1=2", "1=2"),
        ("a = 1:2", "1:2"),
        ("a = ' x '", " x "),
        ("a = 'x", "'x"),
        ("a = 'it's'", "it's"),
        ("a = \"", ""),
        ("a = ''", ""),
        ("a =", ""),
        ("a = x\n  y\n\tz", "x\ny\nz"),
        ("a =\n  x\n  y", "\nx\ny"),
        ("a = x\n # y", "x\n# y"),
        ("a = x\n [b]", "x\n[b]"),
        ("a = 'x'\n 'y'", "x\n'y'"),
        ("a = x # c", "x # c"),
        ("a = 1\na = 2", "2"),
        ("a = 1\n[g]\nc = 1\n[DEFAULT]\na = 3", "3"),
        ("# c\n; c\n\na = 1\n\n# c", "1"),
        ("a = 1\r", "1"),
        ("a = $b\nb = x", "x"),
        ("a = ${b}y\nb = x", "xy"),
        ("a = $$b\nb = x", "$b"),
        ("a = \\$b\nb = x", "$b"),
        ("a = $b\nb = $$x", "$x"),
        ("a = ${g.c}!\n[g]\nc = q", "q!"),
        ("a = $5 $ ${ $", "$5 $ ${ $"),
        ("a = $b", ""),
        ("a = $unregistered\nunregistered = u", "u"),
        ("a = $home\n[g]\nc = lib", "/var/lib"),
    ] {
        let (values, _) = load(&format!("[DEFAULT]\n{lines}\n"));
        assert_eq!(values.get::<String>("DEFAULT", "a"), expected, "{lines:?}");
    }
}

#[test]
fn a_line_that_is_not_the_dialect_is_named_by_file_and_line_and_never_quoted() {
    for (text, line, mistake) in [
        ("a = 1", 1, Syntax::BeforeSection),
        ("[DEFAULT]\na = x\n\n y", 4, Syntax::NothingToContinue),
        ("[DEFAULT]\na = x\n# c\n y", 4, Syntax::NothingToContinue),
        ("  a = 1", 1, Syntax::NothingToContinue),
        ("[DEFAULT] # x\na = 1", 1, Syntax::OpenSection),
        ("[DEFAULT\na = 1", 1, Syntax::OpenSection),
        ("[]\na = 1", 1, Syntax::EmptySection),
        ("[DEFAULT]\n= 1", 2, Syntax::NoName),
        ("[DEFAULT]\nhunter2", 2, Syntax::NoSeparator),
    ] {
        let (_, findings) = load(text);
        let place = Place::File { path: Path::new("x.conf").into(), line };
        assert_eq!(findings, [Finding { place, problem: Problem::Syntax(mistake) }], "{text:?}");
        assert_eq!(findings[0].severity(), Severity::Error);
        assert!(!findings[0].to_string().contains("hunter2"));
    }
}

#[test]
fn a_group_matches_without_case_but_for_default_and_a_name_with_either_dash() {
    let (values, findings) =
        load("[G]\nc = 1\nlong_name = 2\n[default]\na = 3\n[ DEFAULT ]\na = 4");
    assert_eq!(values.get::<String>("g", "c"), "1");
    assert_eq!(values.get::<String>("g", "long-name"), "2");
    assert_eq!(values.get::<Option<String>>("DEFAULT", "a"), None);
    assert_eq!(findings.len(), 2);
    let (values, _) = load("[g]\nlong-name = 5");
    assert_eq!(values.get::<String>("g", "long_name"), "5");
}

#[test]
fn numbers_and_words_are_read_as_python_reads_them() {
    for (text, expected) in [("1_000", 1000), ("+5", 5), ("-3", -3), (" 7 ", 7)] {
        let (values, findings) = load(&format!("[DEFAULT]\nnumber = {text}"));
        assert_eq!(values.get::<i64>("DEFAULT", "number"), expected);
        assert_eq!(findings, []);
    }
    for (text, expected) in [("1", 1.0), ("1e3", 1000.0), (".5", 0.5), ("1_0", 10.0)] {
        let (values, _) = load(&format!("[DEFAULT]\nratio = {text}"));
        assert_eq!(values.get::<f64>("DEFAULT", "ratio"), expected);
    }
    for (text, expected) in
        [("TRUE", true), ("On", true), ("yes", true), ("1", true), ("Off", false)]
    {
        let (values, _) = load(&format!("[DEFAULT]\nflag = {text}"));
        assert_eq!(values.get::<bool>("DEFAULT", "flag"), expected);
    }
    let (values, findings) = load("[DEFAULT]\nnumber =\nwait =");
    assert_eq!(values.get::<Option<i64>>("DEFAULT", "number"), None);
    assert_eq!(values.get::<u64>("DEFAULT", "wait"), 3);
    assert_eq!(
        words(&findings),
        ["x.conf:3: warning: [DEFAULT] wait is empty; the default is used"]
    );
}

#[test]
fn a_number_outside_of_the_rust_type_becomes_the_nearest() {
    let (values, _) = load("[DEFAULT]\nnumber = -3");
    assert_eq!(values.get::<u64>("DEFAULT", "number"), 0);
    let (values, _) = load("[DEFAULT]\nnumber = 70000");
    assert_eq!(values.get::<u16>("DEFAULT", "number"), u16::MAX);
}

#[test]
fn lists_and_dicts_are_cut_as_the_original_cuts_them() {
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    for (text, expected) in [
        ("a,b", list(&["a", "b"])),
        ("a, b ,", list(&["a", "b"])),
        ("a,,b", list(&["a", "", "b"])),
        (",", list(&[])),
        ("", list(&[])),
        ("'a,b',c", list(&["'a", "b'", "c"])),
        ("[a,b]", list(&["[a", "b]"])),
        ("$b,$b\nb = 2,3", list(&["2", "3", "2", "3"])),
    ] {
        let (values, _) = load(&format!("[DEFAULT]\nlist = {text}"));
        assert_eq!(values.get::<Vec<String>>("DEFAULT", "list"), expected, "{text:?}");
    }
    let (values, findings) = load("[DEFAULT]\ndict = k:v:w, x:y\nflows = main:[\"m\",n],post:[]");
    let dict: BTreeMap<String, String> = values.get("DEFAULT", "dict");
    assert_eq!(dict, BTreeMap::from([("k", "v:w"), ("x", "y")].map(|(k, v)| (k.into(), v.into()))));
    let flows: BTreeMap<String, Vec<String>> = values.get("DEFAULT", "flows");
    assert_eq!(flows["main"], ["m", "n"]);
    assert_eq!(flows["post"], list(&[]));
    assert_eq!(findings, []);
    let flows: BTreeMap<String, Vec<String>> = load("").0.get("DEFAULT", "flows");
    assert_eq!(flows["main"], ["t2", "t3"]);
}

#[test]
fn all_bad_values_are_named_at_once_and_the_defaults_stand() {
    let (values, findings) = load(
        "[DEFAULT]\nnumber = 0x10\nwait = 10\nratio = nan\nshare = 2\nflag = 2\nport = 65536\n\
         dict = k:v,k:w\n\
         flows = pre:[a\nbackend = r\na = $nope\nb = $b\n",
    );
    assert_eq!(
        words(&findings),
        [
            "x.conf:2: error: [DEFAULT] number = \"0x10\" must be a whole number",
            "x.conf:3: error: [DEFAULT] wait = \"10\" must be a whole number from 1 to 9",
            "x.conf:4: error: [DEFAULT] ratio = \"nan\" must be a finite number",
            "x.conf:5: error: [DEFAULT] share = \"2\" must be a number from 0 to 1",
            "x.conf:6: error: [DEFAULT] flag = \"2\" must be one of: \
             true, yes, on, 1, false, no, off, 0",
            "x.conf:7: error: [DEFAULT] port = \"65536\" must be a whole number from 0 to 65535",
            "x.conf:8: error: [DEFAULT] dict = \"k:v,k:w\" must be \
             NAME:VALUE pairs separated by ',', every name once",
            "x.conf:9: error: [DEFAULT] flows = \"pre:[a\" must be \
             NAME:VALUE pairs separated by ',', every name once",
            "x.conf:10: error: [DEFAULT] backend = \"r\" must be one of: p, q",
            "x.conf:11: error: [DEFAULT] a refers to $nope, which no option is called; write \
             $$ for a plain dollar",
            "x.conf:12: error: [DEFAULT] b refers to itself, perhaps by way of others",
        ]
    );
    assert_eq!(values.get::<u64>("DEFAULT", "wait"), 3);
    assert_eq!(values.get::<u16>("DEFAULT", "port"), 15868);
    assert_eq!(values.get::<String>("DEFAULT", "backend"), "p");
}

#[test]
fn what_is_odd_but_harmless_is_a_warning() {
    let (_, findings) = load(
        "[DEFAULT]\nwiat = 1\na = 1\na = 2\nmulti = 1\nmulti = 2\nd = 1\n\
         far_from_anything = 1\ngone = 1\nleaving = 1\n[databse]\nconnection = x\n\
         other = y\n[h]\nold = 1\n",
    );
    assert!(findings.iter().all(|finding| finding.severity() == Severity::Warning));
    assert_eq!(
        words(&findings),
        [
            "x.conf:2: warning: [DEFAULT] wiat is unknown and has no effect; did you mean \
             [DEFAULT] wait?",
            "x.conf:4: warning: [DEFAULT] a is set again here; this value wins over the one in \
             line 3",
            "x.conf:7: warning: [DEFAULT] d is unknown and has no effect; did you mean [g] d?",
            "x.conf:8: warning: [DEFAULT] far_from_anything is unknown and has no effect",
            "x.conf:9: warning: [DEFAULT] gone is accepted and has no effect: there is no queue",
            "x.conf:10: warning: [DEFAULT] leaving will go away: use [g] c",
            "x.conf:12: warning: no option of ours is in section [databse]; did you mean database?",
            "x.conf:15: warning: [h] old is the old name of [g] long_name; use the new one",
        ]
    );
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_later_file() {
    let files =
        [file("1", "[DEFAULT]\na = 1\nb = 1\n[g]\nc = 1\nd = 1"), file("2", "[DEFAULT]\na = 2")];
    let env = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mut sources = vec![
        Source::CommandLine(vec![("g".into(), "d".into(), "line".into())]),
        Source::Environment(vec![
            env("OS_G__C", "'env'"),
            env("OS_G__D", "env"),
            env("OS_G__LONG_NAME", "env"),
            env("OS_G__LONGNAME", "x"),
            env("OS_NOVA__C", "x"),
            env("OS_AUTH_URL", "x"),
        ]),
    ];
    sources.extend(files);
    let (values, findings) = Values::load(&sources, &[OPTIONS]);
    let text = |group, name| values.get::<String>(group, name);
    assert_eq!((text("DEFAULT", "a"), text("DEFAULT", "b")), ("2".into(), "1".into()));
    assert_eq!((text("g", "c"), text("g", "d")), ("'env'".into(), "line".into()));
    assert_eq!(text("g", "long_name"), "env");
    assert_eq!(
        words(&findings),
        ["environment variable OS_G__LONGNAME: warning: [g] longname is unknown and has \
          no effect; did you mean [g] long_name?"]
    );
    assert_eq!(values.place("g", "d"), Some(&Place::CommandLine));
    assert_eq!(values.place("DEFAULT", "home"), None);
}

#[test]
fn the_new_name_wins_within_a_file_and_the_later_file_wins_under_any_name() {
    for (first, second, expected) in [
        ("[h]\nold = 1\n[g]\nlong-name = 2", "", "2"),
        ("[h]\nold = 1", "", "1"),
        ("[g]\nlong-name = 2", "[h]\nold = 3", "3"),
        ("[DEFAULT]\nolder = 4", "", "4"),
    ] {
        let (values, _) = Values::load(&[file("1", first), file("2", second)], &[OPTIONS]);
        assert_eq!(values.get::<String>("g", "long_name"), expected, "{first:?} {second:?}");
    }
}

#[test]
fn a_multi_valued_option_accumulates_over_files_and_defaults_to_one_value_a_line() {
    let sources =
        [file("1", "[g]\nmany = 1\nmany = $d\nd = 2\n[h]\nmany = 0"), file("2", "[g]\nmany = 3")];
    let (values, _) = Values::load(&sources, &[OPTIONS]);
    assert_eq!(values.get::<Vec<String>>("g", "many"), ["0", "1", "2", "3"]);
    assert_eq!(values.get::<Vec<String>>("DEFAULT", "twins"), ["x", "y"]);
    assert_eq!(values.get::<Vec<String>>("DEFAULT", "multi"), Vec::<String>::new());
}

#[test]
fn a_secret_shows_up_nowhere() {
    let text = "[database]\nconnection = hunter2\nconnection = $hunter2\n\
                [DEFAULT]\nnumber = $database.connection\na = $database.connection";
    let (values, findings) = load(&text.replace("$hunter2", "hunter2"));
    assert_eq!(values.get::<Secret>("database", "connection").expose(), "hunter2");
    assert_eq!(values.get::<String>("DEFAULT", "a"), "hunter2");
    let told = format!("{values:?} {findings:?} {}", words(&findings).join("\n"));
    assert!(told.contains("number = \"$database.connection\""), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(!format!("{:?}", file("x", "password = hunter2")).contains("hunter2"));
}

#[test]
fn references_that_double_without_end_are_stopped() {
    let doubling = |n: usize| format!("x{n} = $x{m}$x{m}\n", m = n + 1);
    let text = format!("[DEFAULT]\na = $x0\n{}x40 = x", (0..40).map(doubling).collect::<String>());
    let (_, findings) = load(&text);
    assert!(findings.iter().any(|finding| matches!(finding.problem, Problem::TooLong { .. })));
    let chain: String = (0..20_000).map(|n| format!("x{n} = $x{}\n", n + 1)).collect();
    let (_, findings) = load(&format!("[DEFAULT]\na = $x0\n{chain}"));
    assert!(findings.iter().any(|finding| matches!(finding.problem, Problem::TooLong { .. })));
}

#[test]
fn the_sample_names_every_option_and_loads_without_a_finding_when_uncommented() {
    let text = sample(&[OPTIONS]);
    assert!(text.contains(
        "# How long to wait. (integer value)\n# Minimum value: 1\n# Maximum value: 9\n#wait = 3\n"
    ));
    assert!(text.contains("# Deprecated group/name - [DEFAULT]/older\n#long-name = <None>\n"));
    assert!(text.starts_with("[DEFAULT]\n") && text.contains("\n[g]\n"));
    assert_eq!(load(&text).1, []);
    let set = |line: &str| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).is_some();
    let uncommented: String = text
        .lines()
        .filter(|line| {
            !line.contains("<None>") && !line.contains("#gone") && !line.contains("#leaving")
        })
        .map(|line| if set(line) { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let (values, findings) = load(&uncommented);
    assert_eq!(findings, []);
    assert_eq!(values.get::<u64>("DEFAULT", "wait"), 3);
}

#[test]
fn files_are_searched_where_the_original_searches_them() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for path in [
        "etc/masakari.conf",
        "etc/masakari/masakari.conf",
        "etc/masakari-api.conf",
        "home/.masakari/masakari-api.conf",
        "etc/masakari/masakari.conf.d/b.conf",
        "etc/masakari/masakari.conf.d/a.conf",
        "etc/masakari/masakari.conf.d/.hidden.conf",
        "etc/masakari/masakari.conf.d/note.txt",
        "named.conf",
    ] {
        write(path, "");
    }
    let search = Search {
        project: "masakari".into(),
        program: "masakari-api".into(),
        home: Some(root.path().join("home")),
        etc: root.path().join("etc"),
        snaps: vec![root.path().join("common")],
    };
    let paths = |named: &[Location]| -> Vec<String> {
        let sources = gather(named, &search).unwrap();
        let relative = |source| match source {
            Source::File { path, .. } => {
                path.strip_prefix(root.path()).unwrap().display().to_string()
            }
            Source::Environment(_) | Source::CommandLine(_) => unreachable!(),
        };
        sources.into_iter().map(relative).collect()
    };
    let dir = ["etc/masakari/masakari.conf.d/a.conf", "etc/masakari/masakari.conf.d/b.conf"];
    let found = ["etc/masakari/masakari.conf", "home/.masakari/masakari-api.conf", dir[0], dir[1]];
    assert_eq!(paths(&[]), found);
    let named = Location::File(root.path().join("named.conf"));
    assert_eq!(paths(std::slice::from_ref(&named)), [dir[0], dir[1], "named.conf"]);
    let named_dir = Location::Dir(root.path().join("etc/masakari/masakari.conf.d"));
    assert_eq!(paths(&[named_dir, named]), [dir[0], dir[1], "named.conf"]);
    write("common/etc/masakari/masakari-engine.conf", "");
    let engine = Search { program: "masakari-engine".into(), ..search.clone() };
    let sources = gather(&[], &engine).unwrap();
    assert!(format!("{sources:?}").contains("common/etc/masakari/masakari-engine.conf"));
    let missing = gather(&[Location::File(root.path().join("missing.conf"))], &search).unwrap_err();
    assert!(missing.to_string().contains("missing.conf"));
}

/// Lines that get past the grammar of the file, to what is behind it.
const FILE_LIKE: &str = "(\\[(DEFAULT|g|h)\\]\n\
    |(a|b|number|list|dict|flows|port|flag) ?[=:] ?['\"$\\{\\}a-d.,:\\[\\]0-9_-]{0,9}\n\
    | [$a-c]\n){0,20}";

proptest! {
    #[test]
    fn no_text_makes_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        load(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_file_like_text_makes_loading_panic(
        text in FILE_LIKE
    ) {
        load(&text);
    }

    #[test]
    fn a_text_without_dollars_comes_back_as_written(text in "[a-z0-9 .:=#;/-]{0,30}") {
        let (values, _) = load(&format!("[DEFAULT]\na = '{text}'"));
        prop_assert_eq!(values.get::<String>("DEFAULT", "a"), text);
    }
}
