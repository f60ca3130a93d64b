//! Sources against tables: which text wins, what it means, and what is to be said about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Name, nearest};
use super::kind::{Value, convert};
use super::python::printed;
use super::substitute::{Fault, substitute};
use super::{Finding, FromValue, Kind, Opt, Place, Problem, Standing, ini};

/// Where settings come from. The order among files matters (the later wins); the rest is ranked by
/// kind.
#[derive(Clone)]
pub enum Source {
    File {
        path: PathBuf,
        text: String,
    },
    /// All variables of the process, as (name, value).
    Environment(Vec<(String, String)>),
    /// As (group, name, value).
    CommandLine(Vec<(String, String, String)>),
}

impl fmt::Debug for Source {
    /// The settings may hold passwords: only the place is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "File({})", path.display()),
            Self::Environment(_) => f.write_str("Environment"),
            Self::CommandLine(_) => f.write_str("CommandLine"),
        }
    }
}

/// The value of every option of the tables.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<Name, Entry>);

#[derive(Clone)]
struct Entry {
    value: Option<Value>,
    /// One for each text of an option that may be repeated; none for a default.
    places: Vec<Place>,
}

impl fmt::Debug for Values {
    /// Where each option was set. No values: a reference may have carried a secret into any of
    /// them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.0.iter().filter(|(_, entry)| !entry.places.is_empty());
        let last = |entry: &Entry| entry.places.last().map(ToString::to_string);
        f.debug_map()
            .entries(set.map(|(name, entry)| (name.to_string(), last(entry).unwrap_or_default())))
            .finish()
    }
}

impl Values {
    /// Reads everything and reports everything. With an error among the findings the values are not
    /// to be used.
    pub fn load(sources: &[Source], tables: &[&[Opt]]) -> (Self, Vec<Finding>) {
        let mut loader = Loader::new(tables);
        sources.iter().for_each(|source| loader.take(source));
        loader.report_names();
        let opts: Vec<Opt> = loader.opts.values().copied().collect();
        let entries = opts.into_iter().map(|opt| (name_of(&opt), loader.entry(opt))).collect();
        loader.findings.sort_by(|a, b| a.place.cmp(&b.place));
        (Self(entries), loader.findings)
    }

    /// The value as a Rust type: `bool`, integers, `f64`, `String`, [`Secret`](crate::Secret),
    /// `Vec<String>`, maps, and an `Option` of these for an option that may be unset. Integers
    /// outside of the type become its nearest.
    ///
    /// Asking for an option that no table declares, with another type, or without `Option` where
    /// there is no default, is a mistake of the caller and fails in debug builds, thus in any test
    /// that fills a `Config`.
    pub fn get<T: FromValue>(&self, group: &str, name: &str) -> T {
        let entry = self.0.get(&Name::new(group, name));
        let found = entry.and_then(|entry| match &entry.value {
            Some(value) => T::from_value(value),
            None => T::unset(),
        });
        debug_assert!(found.is_some(), "[{group}] {name}: undeclared, other type, or no default");
        found.unwrap_or_default()
    }

    /// Where the value in force was written; nothing if it is the default.
    pub fn place(&self, group: &str, name: &str) -> Option<&Place> {
        self.places(group, name).last()
    }

    /// The same of each text of an option that may be repeated, in the order of its values.
    pub fn places(&self, group: &str, name: &str) -> &[Place] {
        self.0.get(&Name::new(group, name)).map_or(&[], |entry| &entry.places)
    }
}

fn name_of(opt: &Opt) -> Name {
    Name::new(opt.group, opt.name)
}

#[derive(Clone)]
struct Written {
    text: String,
    place: Place,
}

/// How many references may follow one from another; each costs stack.
const REFERENCES_MAX: usize = 64;

type Settings = BTreeMap<Name, Vec<Written>>;

struct Loader {
    opts: BTreeMap<Name, Opt>,
    /// Old name to new.
    old_names: BTreeMap<Name, Name>,
    files: Vec<Settings>,
    environment: Settings,
    command_line: Settings,
    /// What each option's texts are once references are filled in; without it, references that
    /// refer on and on would be followed again and again.
    filled: BTreeMap<Name, Result<Vec<String>, Fault>>,
    findings: Vec<Finding>,
}

impl Loader {
    fn new(tables: &[&[Opt]]) -> Self {
        let mut opts = BTreeMap::new();
        for opt in tables.iter().copied().flatten() {
            let earlier = opts.insert(name_of(opt), *opt);
            let same = earlier.is_none_or(|earlier| earlier == *opt);
            debug_assert!(same, "[{}] {} is declared twice, differently", opt.group, opt.name);
        }
        let mut old_names: BTreeMap<Name, Name> = BTreeMap::new();
        for (new, opt) in &opts {
            for (group, name) in opt.deprecated {
                old_names.entry(Name::new(group, name)).or_insert_with(|| new.clone());
            }
        }
        Self {
            opts,
            old_names,
            files: Vec::new(),
            environment: Settings::new(),
            command_line: Settings::new(),
            filled: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    fn take(&mut self, source: &Source) {
        match source {
            Source::File { path, text } => self.take_file(&Arc::from(path.as_path()), text),
            Source::Environment(variables) => self.take_environment(variables),
            Source::CommandLine(arguments) => {
                for (group, name, text) in arguments {
                    let written = Written { text: text.clone(), place: Place::CommandLine };
                    let name = Name::new(group, name);
                    self.command_line.entry(name).or_default().push(written);
                }
            }
        }
    }

    fn take_file(&mut self, path: &Arc<Path>, text: &str) {
        let parsed = ini::parse(text);
        for (line, mistake) in parsed.mistakes {
            self.find(Place::file(path, line), Problem::Syntax(mistake));
        }
        let mut settings = Settings::new();
        for set in parsed.assignments {
            let written = Written { text: set.value, place: Place::file(path, set.line) };
            settings.entry(Name::new(&set.section, &set.name)).or_default().push(written);
        }
        self.files.push(settings);
    }

    /// A variable whose group is not ours is some other program's.
    fn take_environment(&mut self, variables: &[(String, String)]) {
        for (variable, text) in variables {
            let Some((group, name)) =
                variable.strip_prefix("OS_").and_then(|rest| rest.split_once("__"))
            else {
                continue;
            };
            let upper = |text: &str| text.to_uppercase().replace('-', "_");
            let ours = |known: &&Name| upper(&known.group) == group && upper(&known.name) == name;
            let place = Place::Environment { variable: variable.clone() };
            if let Some(known) = self.opts.keys().find(ours).cloned() {
                let written = Written { text: text.clone(), place };
                self.environment.entry(known).or_default().push(written);
            } else if group != "DEFAULT"
                && self.opts.keys().any(|known| upper(&known.group) == group)
            {
                let option = Name::new(group, &name.to_lowercase());
                let meant = self.meant(&option);
                self.find(place, Problem::UnknownOption { option, meant });
            }
        }
    }

    fn find(&mut self, place: Place, problem: Problem) {
        self.findings.push(Finding { place, problem });
    }

    /// Everything that can be said of names alone: unknown, old, twice.
    fn report_names(&mut self) {
        let old_names = self.old_names.clone();
        let settings: Vec<_> =
            self.files.iter().flatten().map(|(name, set)| (name.clone(), set.clone())).collect();
        let same_file: BTreeSet<(Name, Option<Arc<Path>>)> = settings
            .iter()
            .filter_map(|(name, set)| Some((name.clone(), set.last()?.place.path())))
            .collect();
        let mut unknown_sections = Vec::new();
        for (option, written) in settings {
            let (Some(first), Some(last)) = (written.first(), written.last()) else { continue };
            let current = self.opts.get(&option);
            let new = old_names.get(&option).filter(|_| current.is_none());
            let kind = current.or_else(|| self.opts.get(new?)).map(|opt| opt.kind);
            if let Some(new) = new.cloned() {
                let old = option.clone();
                let problem = if same_file.contains(&(new.clone(), last.place.path())) {
                    Problem::BothNames { old, new }
                } else {
                    Problem::Deprecated { old, new }
                };
                self.find(last.place.clone(), problem);
            }
            match (kind, &first.place) {
                (None, _) if self.opts.keys().any(|known| known.group == option.group) => {
                    let meant = self.meant(&option);
                    self.find(first.place.clone(), Problem::UnknownOption { option, meant });
                }
                (None, _) => unknown_sections.push((option.group, first.place.clone())),
                (Some(Kind::MultiStr), _) => {}
                (Some(_), Place::File { line, .. }) if written.len() > 1 => {
                    let problem = Problem::Duplicate { option, first_line: *line };
                    self.find(last.place.clone(), problem);
                }
                (Some(_), _) => {}
            }
        }
        self.report_sections(unknown_sections);
    }

    /// Once a section, at its first option: a section of another program may be long.
    fn report_sections(&mut self, mut unknown: Vec<(String, Place)>) {
        unknown.sort();
        unknown.dedup_by(|later, earlier| later.0 == earlier.0);
        for (section, place) in unknown {
            let groups = self.opts.keys().map(|known| known.group.as_str());
            let meant = nearest(&section, groups).map(str::to_owned);
            self.find(place, Problem::UnknownSection { section, meant });
        }
    }

    /// The right name under the wrong group, or else a typo in the same group.
    fn meant(&self, typed: &Name) -> Option<Name> {
        let elsewhere = self.opts.keys().find(|known| known.name == typed.name).cloned();
        elsewhere.or_else(|| {
            let same_group = self.opts.keys().filter(|known| known.group == typed.group);
            nearest(&typed.name, same_group.map(|known| known.name.as_str()))
                .map(|name| Name::new(&typed.group, name))
        })
    }

    /// The texts in force: those of the highest source that has any; of several only for a
    /// multi-valued option.
    fn written(&self, name: &Name) -> Vec<Written> {
        let opt = self.opts.get(name);
        let old_names = opt.into_iter().flat_map(|opt| opt.deprecated);
        let names: Vec<Name> = std::iter::once(name.clone())
            .chain(old_names.map(|(group, name)| Name::new(group, name)))
            .collect();
        let of_files: Vec<&Written> = self
            .files
            .iter()
            .flat_map(|settings| names.iter().rev().filter_map(|name| settings.get(name)))
            .flatten()
            .collect();
        let above = [&self.command_line, &self.environment];
        let above = above.into_iter().find_map(|source| source.get(name));
        let found = above.map_or(of_files, |written| written.iter().collect());
        match opt.map(|opt| opt.kind) {
            Some(Kind::MultiStr) => found.into_iter().cloned().collect(),
            Some(_) | None => found.into_iter().last().cloned().into_iter().collect(),
        }
    }

    fn entry(&mut self, opt: Opt) -> Entry {
        let name = name_of(&opt);
        let written = self.written(&name);
        let Some(last) = written.last() else {
            return Entry { value: self.default(&opt), places: Vec::new() };
        };
        let place = last.place.clone();
        match opt.standing {
            Standing::Current => {}
            Standing::Retiring(advice) => {
                self.find(place.clone(), Problem::Retiring { option: name.clone(), advice });
            }
            Standing::Ignored(reason) => {
                self.find(place.clone(), Problem::Ignored { option: name.clone(), reason });
            }
        }
        let value = match self.filled(&name, &mut Vec::new()).map(|texts| convert(&opt, &texts)) {
            Ok(Ok(Some(value))) => Some(value),
            Ok(Ok(None)) => {
                if opt.default.is_some() {
                    self.find(place.clone(), Problem::EmptyNumber { option: name });
                }
                self.default(&opt)
            }
            Ok(Err(allowed)) => {
                // As it was written: what a reference brought in may be a secret.
                let shown = (opt.kind != Kind::Secret).then(|| last.text.clone());
                let problem = match opt.standing {
                    Standing::Ignored(_) => {
                        Problem::BadIgnored { option: name, written: shown, allowed }
                    }
                    Standing::Current | Standing::Retiring(_) => {
                        Problem::BadValue { option: name, written: shown, allowed }
                    }
                };
                self.find(place.clone(), problem);
                self.default(&opt)
            }
            Err(fault) => {
                self.find(place.clone(), problem_of(name, fault));
                self.default(&opt)
            }
        };
        Entry { value, places: written.into_iter().map(|w| w.place).collect() }
    }

    fn default(&mut self, opt: &Opt) -> Option<Value> {
        let text = opt.default?;
        let name = name_of(opt);
        let mut trail = vec![name.clone()];
        let texts = self.fill(&name, &default_texts(opt), &mut trail);
        match texts.map(|texts| convert(opt, &texts)) {
            Ok(Ok(value)) => return value,
            Ok(Err(allowed)) => {
                let written = Some(text.to_owned());
                let problem = Problem::BadValue { option: name, written, allowed };
                self.find(Place::BuiltInDefault, problem);
            }
            Err(fault) => self.find(Place::BuiltInDefault, problem_of(name, fault)),
        }
        None
    }

    fn filled(&mut self, name: &Name, trail: &mut Vec<Name>) -> Result<Vec<String>, Fault> {
        if let Some(known) = self.filled.get(name) {
            return known.clone();
        }
        if trail.contains(name) {
            return Err(Fault::Loop);
        }
        if trail.len() >= REFERENCES_MAX {
            return Err(Fault::TooLong);
        }
        let written: Vec<String> = self.written(name).into_iter().map(|set| set.text).collect();
        let texts = match self.opts.get(name) {
            Some(opt) if written.is_empty() => default_texts(opt),
            Some(_) | None => written,
        };
        trail.push(name.clone());
        let filled = self.fill(name, &texts, trail);
        trail.pop();
        self.filled.insert(name.clone(), filled.clone());
        filled
    }

    fn fill(
        &mut self,
        name: &Name,
        texts: &[String],
        trail: &mut Vec<Name>,
    ) -> Result<Vec<String>, Fault> {
        texts
            .iter()
            .map(|text| substitute(text, |reference| self.refer(name, reference, trail)))
            .collect()
    }

    /// A name alone is looked for in the group of the option, then in `DEFAULT`. What only the files
    /// hold counts last: operators keep pieces of values there.
    fn refer(
        &mut self,
        from: &Name,
        reference: &str,
        trail: &mut Vec<Name>,
    ) -> Result<String, Fault> {
        let near = match reference.split_once('.') {
            Some((group, name)) => Name::new(group, name),
            None => Name::new(&from.group, reference),
        };
        let names = [near, Name::new("DEFAULT", reference)];
        for name in &names {
            // As with the original, an old name counts only where there still is a group.
            let is_group = self.opts.keys().any(|known| known.group == name.group);
            let renamed = self.old_names.get(name).filter(|_| is_group);
            let renamed = renamed.filter(|_| !self.opts.contains_key(name));
            let name = renamed.unwrap_or(name).clone();
            if let Some(opt) = self.opts.get(&name).copied() {
                if opt.default.is_none() && self.written(&name).is_empty() {
                    return Ok(String::new());
                }
                let texts = self.filled(&name, trail)?;
                return match convert(&opt, &texts) {
                    Ok(value) => Ok(value.as_ref().map(printed).unwrap_or_default()),
                    Err(_) => Err(Fault::Wrong(reference.to_owned())),
                };
            }
        }
        for name in names {
            if self.files.iter().any(|file| file.contains_key(&name)) {
                return Ok(self.filled(&name, trail)?.join(","));
            }
        }
        Err(Fault::Unknown(reference.to_owned()))
    }
}

fn default_texts(opt: &Opt) -> Vec<String> {
    let text = opt.default.unwrap_or_default();
    match opt.kind {
        Kind::MultiStr => text.lines().map(str::to_owned).collect(),
        Kind::Str
        | Kind::Secret
        | Kind::Bool
        | Kind::Int { .. }
        | Kind::Float { .. }
        | Kind::Port
        | Kind::HostAddress
        | Kind::Uri
        | Kind::List
        | Kind::Dict
        | Kind::DictOfLists => vec![text.to_owned()],
    }
}

fn problem_of(option: Name, fault: Fault) -> Problem {
    match fault {
        Fault::Unknown(reference) => Problem::UnknownReference { option, reference },
        Fault::Wrong(reference) => Problem::WrongReference { option, reference },
        Fault::Loop => Problem::ReferenceLoop { option },
        Fault::TooLong => Problem::TooLong { option },
    }
}
