use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
}

/// (user, password, host, port, database) as SQLAlchemy 2.1 answered.
type Parts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<u16>, Option<&'a str>);

#[test]
fn the_parts_are_cut_as_sqlalchemy_cuts_them() {
    let cases: &[(&str, Parts<'_>)] = &[
        (
            "mysql+pymysql://u:p%40@h:3306/db?charset=utf8",
            (Some("u"), Some("p@"), Some("h"), Some(3306), Some("db")),
        ),
        ("mysql://h/db", (None, None, Some("h"), None, Some("db"))),
        ("mariadb+mariadbconnector://u@h/db", (Some("u"), None, Some("h"), None, Some("db"))),
        ("mysql://u@x@h/db", (Some("u@x"), None, Some("h"), None, Some("db"))),
        ("mysql://u:@h/db", (Some("u"), Some(""), Some("h"), None, Some("db"))),
        ("mysql://u:p/q@h/db", (Some("u"), Some("p/q"), Some("h"), None, Some("db"))),
        ("mysql://u:p?x#y@h/db", (Some("u"), Some("p?x#y"), Some("h"), None, Some("db"))),
        ("mysql://u%41:p+w@h/db", (Some("uA"), Some("p+w"), Some("h"), None, Some("db"))),
        ("mysql://u@h:3307/db", (Some("u"), None, Some("h"), Some(3307), Some("db"))),
        ("mysql://u:p@h/db%20x", (Some("u"), Some("p"), Some("h"), None, Some("db x"))),
        ("mysql:///db", (None, None, None, None, Some("db"))),
        ("mysql+a+b://h/d", (None, None, Some("h"), None, Some("d"))),
        ("mysql://h/d?a", (None, None, Some("h"), None, Some("d"))),
        (
            "postgresql+psycopg2://u:p@[::1]:5432/db",
            (Some("u"), Some("p"), Some("::1"), Some(5432), Some("db")),
        ),
        ("sqlite://", (None, None, None, None, None)),
        ("sqlite:///:memory:", (None, None, None, None, None)),
        ("sqlite:///rel.db", (None, None, None, None, Some("rel.db"))),
        ("sqlite:////abs/x.db", (None, None, None, None, Some("/abs/x.db"))),
    ];
    for (text, expected) in cases {
        let url = parse(text);
        let password = url.password.as_ref().map(Secret::expose);
        let found =
            (url.user.as_deref(), password, url.host.as_deref(), url.port, url.database.as_deref());
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn what_is_no_database_url_is_refused_without_being_quoted() {
    for (text, error) in [
        ("hunter2", UrlError::NoUrl),
        ("mysql:/hunter2/db", UrlError::NoUrl),
        ("oracle://u:hunter2@h/db", UrlError::UnknownBackend),
        ("mysql://u:hunter2@h:x/db", UrlError::Port),
        ("mysql://u:hunter2@h:/db", UrlError::Port),
        ("mysql://u:p@hunter2@h/db", UrlError::AtSign),
        ("mysql://u:hunter2@h", UrlError::NoDatabase),
        ("sqlite://hunter2/x", UrlError::SqliteHost),
    ] {
        let found = DatabaseUrl::parse(text).unwrap_err();
        assert_eq!(found, error, "{text}");
        assert!(!format!("{found} {found:?}").contains("hunter2"));
    }
}

#[test]
fn the_password_is_in_no_debug_text() {
    let url = parse("mysql+pymysql://u:hunter2@h/db");
    assert!(!format!("{url:?} {:?}", url.to_sqlx()).contains("hunter2"));
}

#[test]
fn sqlx_gets_the_same_database() {
    for (text, expected) in [
        (
            "mysql+pymysql://u:p%40/%3F@h:3306/db",
            "mysql://u:p%40%2F%3F@h:3306/db?ssl-mode=PREFERRED",
        ),
        ("mysql://u@[fe80::1]/my%20db", "mysql://u@[fe80::1]/my%20db?ssl-mode=PREFERRED"),
        (
            "mysql://u:p@/db?unix_socket=/run/my.sock",
            "mysql://u:p@localhost/db?ssl-mode=PREFERRED&socket=%2Frun%2Fmy%2Esock",
        ),
        (
            "mysql+pymysql://h/db?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k",
            "mysql://h/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fca&ssl-cert=%2Fc&ssl-key=%2Fk",
        ),
        (
            "postgresql://h/db?sslmode=verify-full&sslrootcert=/ca",
            "postgres://h/db?sslmode=verify-full&sslrootcert=%2Fca",
        ),
        ("sqlite://", "sqlite::memory:"),
        ("sqlite:///rel.db", "sqlite://rel%2Edb?mode=rwc"),
        ("sqlite:////var/lib/a?b.db", "sqlite:///var/lib/a?mode=rwc"),
        ("sqlite:////var/lib/a%3Fb", "sqlite:///var/lib/a%3Fb?mode=rwc"),
    ] {
        assert_eq!(parse(text).to_sqlx().expose(), expected);
    }
}

#[test]
fn tls_is_checked_at_least_as_the_driver_checks_it() {
    use TlsMode::{Disabled, Preferred, Required, VerifyCa, VerifyIdentity};
    for (scheme, query, expected) in [
        ("mysql+pymysql", "", Preferred),
        ("mysql+pymysql", "ssl_ca=/ca", VerifyIdentity),
        ("mysql+pymysql", "ssl_ca=/ca&ssl_check_hostname=false", VerifyCa),
        ("mysql+pymysql", "ssl_ca=/ca&ssl_check_hostname=maybe", VerifyIdentity),
        ("mysql+pymysql", "ssl_ca=/ca&ssl_verify_cert=false", Required),
        ("mysql+pymysql", "ssl_verify_cert=true", VerifyCa),
        ("mysql+pymysql", "ssl_verify_identity=true", VerifyIdentity),
        ("mysql+pymysql", "ssl_cert=/c&ssl_key=/k", Required),
        ("mysql+pymysql", "ssl=true", Required),
        ("mysql+pymysql", "ssl_disabled=true&ssl_ca=/ca", Disabled),
        ("mysql", "ssl_ca=/ca", VerifyCa),
        ("mysql", "ssl_mode=VERIFY_IDENTITY", VerifyIdentity),
        ("mysql", "ssl_mode=nonsense", VerifyIdentity),
        ("postgresql", "", Preferred),
        ("postgresql", "sslmode=disable", Disabled),
        ("postgresql", "sslmode=require", Required),
    ] {
        assert_eq!(parse(&format!("{scheme}://h/db?{query}")).tls.mode, expected, "{query}");
    }
}

#[test]
fn a_parameter_without_effect_is_told() {
    let unknown = |name: &str| Finding::UnknownParameter { name: name.to_owned() };
    let bad = |name: &str| Finding::BadValue { name: name.to_owned() };
    for (text, expected) in [
        ("mysql://h/db?charset=utf8mb4&plugin=dbcounter&connect_timeout=5", vec![]),
        ("mysql://h/db?charset=latin1", vec![Finding::Charset]),
        ("mysql://h/db?read_timeout=5&ssl=sure", vec![unknown("read_timeout"), bad("ssl")]),
        ("mysql://h/db?connect_timeout=soon", vec![bad("connect_timeout")]),
        ("sqlite:///x?timeout=5&ssl_ca=x", vec![unknown("ssl_ca"), unknown("timeout")]),
    ] {
        assert_eq!(DatabaseUrl::parse(text).unwrap().1, expected, "{text}");
    }
    assert_eq!(parse("mysql://h/db?connect_timeout=5").connect_timeout_s, Some(5));
}

proptest! {
    #[test]
    fn no_text_makes_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = DatabaseUrl::parse(&text);
        let _ = DatabaseUrl::parse(&format!("mysql://{text}"));
    }

    #[test]
    fn what_sqlx_gets_means_the_same_when_read_again(
        user in "[a-zA-Z@:/?#%é ]{1,8}",
        password in "[a-zA-Z@:/?#%+é ]{0,8}",
        database in "[a-z/?% ]{1,8}",
    ) {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let [user, secret, name] = [&user, &password, &database].map(|text| encode(text));
        let text = format!("mysql://{user}:{secret}@h/{name}");
        let url = parse(&text);
        prop_assert_eq!(url.password.as_ref().map(Secret::expose), Some(password.as_str()));
        prop_assert_eq!(parse(&url.to_sqlx().expose().replace("ssl-mode", "ssl_mode")), url);
    }
}
