//! `matrix.yaml`. The default is compared with Python's, which lists it as rows.

use monitor::hosts::consul::matrix::{
    Health::{self, Down, Unknown, Up},
    Matrix, MatrixError, Network,
};
use recovery::verdict::Sight;
use std::path::Path;

/// `etc/masakarimonitors/matrix.yaml.sample` of masakari-monitors, and its `DEFAULT_MATRIX`.
const PYTHON: &str = "sequence: [manage, tenant, storage]
matrix:
  - health: [up, up, up]
    action: []
  - health: [up, up, down]
    action: [recovery]
  - health: [up, down, up]
    action: []
  - health: [up, down, down]
    action: [recovery]
  - health: [down, up, up]
    action: []
  - health: [down, up, down]
    action: [recovery]
  - health: [down, down, up]
    action: []
  - health: [down, down, down]
    action: [recovery]
";

fn parse(text: &str) -> Result<Matrix, MatrixError> {
    Matrix::parse(Path::new("matrix.yaml"), text)
}

fn all(values: &[Health]) -> Vec<[Health; 3]> {
    let mut all = Vec::new();
    for manage in values {
        for tenant in values {
            for storage in values {
                all.push([*manage, *tenant, *storage]);
            }
        }
    }
    all
}

#[test]
fn pythons_default_is_one_sentence_who_has_lost_his_storage_is_recovered() {
    let (ours, python) = (Matrix::default(), parse(PYTHON).unwrap());
    assert_eq!(ours.unsaid(), 0);
    for health in all(&[Up, Down, Unknown]) {
        assert_eq!(ours.sight(&health), python.sight(&health), "{health:?}");
        let expected = match health {
            [Up, Up, Up] => Sight::Online,
            [_, _, Down] => Sight::Offline,
            _ => Sight::Uncertain,
        };
        assert_eq!(ours.sight(&health), expected, "{health:?}");
    }
}

#[test]
fn what_is_unknown_is_no_matter_where_it_decides_nothing() {
    let both =
        parse("sequence: [storage, manage]\nmatrix: [{health: [down, down], action: [recovery]}]")
            .unwrap();
    assert_eq!(both.sequence(), [Network::Storage, Network::Manage]);
    assert_eq!(both.unsaid(), 3);
    assert_eq!(both.sight(&[Down, Down]), Sight::Offline);
    for health in [[Down, Unknown], [Unknown, Down], [Unknown, Unknown], [Down, Up], [Up, Unknown]]
    {
        assert_eq!(both.sight(&health), Sight::Uncertain, "{health:?}");
    }
    assert_eq!(both.sight(&[Up, Up]), Sight::Online);
}

#[test]
fn a_matrix_that_does_not_fit_is_refused_with_what_to_write() {
    let row = |health: &str, action: &str| {
        format!("sequence: [manage, storage]\nmatrix:\n- {{health: {health}, action: {action}}}\n")
    };
    let twice =
        format!("{}- {{health: [up, down], action: []}}\n", row("[up, down]", "[recovery]"));
    for (text, expected) in [
        (
            row("[up, up, down]", "[recovery]"),
            "row 1 of `matrix`: `health` has 3 words, and `sequence` 2 (manage, storage)",
        ),
        (row("[up]", "[recovery]"), "`health` has 1 words, and `sequence` 2"),
        (row("[up, dwon]", "[recovery]"), "`health` has \"dwon\"; write up or down"),
        (row("[up, off]", "[recovery]"), "write up or down"),
        (
            row("[up, down]", "[recover]"),
            "`action` has \"recover\"; there is \"recovery\", or an empty list",
        ),
        (row("[up, down]", "recovery"), "`action` must be a list"),
        (row("[up, up]", "[recovery]"), "a host whose networks are all up is not recovered"),
        (row("[up, down]", "[]"), "no host would ever be"),
        (twice, "row 2 of `matrix`: its health stands in an earlier row"),
        (
            row("[up, down]", "[recovery]").replace("manage,", "mangae,"),
            "`sequence` names \"mangae\"; there are manage, tenant, storage",
        ),
        (
            row("[up, down]", "[recovery]").replace("manage", "storage"),
            "`sequence` names \"storage\" twice",
        ),
        ("sequence: []\nmatrix: []".into(), "`sequence` is empty"),
        ("sequence: [manage]".into(), "`matrix` must be a list of rows"),
        ("- up".into(), "it must have the keys `sequence` and `matrix`"),
        (String::new(), "it must have the keys"),
        ("sequence: [".into(), "is not YAML"),
        (
            format!(
                "sequence: [manage]\nmatrix:\n{}",
                "- {health: [down], action: [recovery]}\n".repeat(9)
            ),
            "more rows than 8",
        ),
    ] {
        let why = parse(&text).unwrap_err().to_string();
        assert!(
            why.starts_with("the matrix matrix.yaml") && why.contains(expected),
            "{why}\n{text}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_huge_is_not_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("matrix.yaml");
    assert!(Matrix::read(&path).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&path, "#".repeat(70_000)).unwrap();
    assert!(Matrix::read(&path).unwrap_err().to_string().contains("larger than 64 KiB"));
    std::fs::write(&path, PYTHON).unwrap();
    assert_eq!(Matrix::read(&path).unwrap().unsaid(), 0);
}
