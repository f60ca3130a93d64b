//! Makes a scene smaller in which something broke: one thing after another is left out, as long as the same breaks.

use crate::scene::Scene;

/// What broke, without the names and numbers of one history.
#[must_use]
pub fn kind_of(broken: &str) -> String {
    let plain = |word: &str| match word.chars().any(|c| c.is_ascii_digit()) {
        true => "#".to_owned(),
        false => word.to_owned(),
    };
    broken.lines().next().unwrap_or_default().split(' ').map(plain).collect::<Vec<_>>().join(" ")
}

/// The smallest scene that was found in which the same breaks, and after how many tries. `breaks` tells a history and
/// says what broke.
pub fn smallest(
    scene: Scene,
    broken: &str,
    tries_most: usize,
    mut breaks: impl FnMut(&Scene) -> Option<String>,
) -> (Scene, usize) {
    let (wanted, mut smallest, mut tries) = (kind_of(broken), scene, 0);
    loop {
        let mut found = None;
        for smaller in smaller(&smallest) {
            if tries == tries_most {
                return (smallest, tries);
            }
            tries += 1;
            if breaks(&smaller).is_some_and(|broken| kind_of(&broken) == wanted) {
                found = Some(smaller);
                break;
            }
        }
        match found {
            Some(smaller) => smallest = smaller,
            None => return (smallest, tries),
        }
    }
}

/// The same scene without one thing, the largest first.
fn smaller(scene: &Scene) -> Vec<Scene> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Scene) -> bool| {
        let mut smaller = scene.clone();
        if change(&mut smaller) {
            all.push(smaller);
        }
    };
    with(&|s| s.faults.take().is_some());
    with(&|s| s.second_after_ms.take().is_some());
    with(&|s| s.revived_after_ms.take().is_some());
    with(&|s| {
        s.fence.is_some() && s.fence.as_ref().is_some_and(|f| !f.hangs) && s.fence.take().is_some()
    });
    with(&|s| s.back.take().is_some());
    with(&|s| !std::mem::take(&mut s.storm.switch).is_empty());
    with(&|s| !std::mem::take(&mut s.by_hand.words).is_empty());
    with(&|s| std::mem::take(&mut s.tiers));
    with(&|s| std::mem::take(&mut s.confirmed));
    with(&|s| s.engines.len() > 1 && s.engines.pop().is_some());
    with(&|s| s.whole.as_mut().is_some_and(|w| std::mem::take(&mut w.repeats) > 0));
    with(&|s| halve(&mut s.shape.vms_per_host));
    for n in 0..scene.whole.as_ref().map_or(0, |whole| whole.troubles.len()) {
        with(&|s| {
            s.whole.as_mut().is_some_and(|w| {
                w.troubles.len() > n && {
                    w.troubles.remove(n);
                    true
                }
            })
        });
    }
    for n in 0..scene.whole.as_ref().map_or(0, |whole| whole.api_deaths.len()) {
        with(&|s| {
            s.whole.as_mut().is_some_and(|w| {
                w.api_deaths.len() > n && {
                    w.api_deaths.remove(n);
                    true
                }
            })
        });
    }
    for n in 0..scene.engines.len() {
        with(&|s| s.engines[n].deaths.pop().is_some());
        with(&|s| s.engines[n].dies_at.pop().is_some());
        with(&|s| s.engines[n].pause.take().is_some());
        with(&|s| s.engines[n].slow_to_take_ms.take().is_some());
    }
    with(&|s| {
        s.whole.is_none() && s.shape.hosts > 3 && {
            s.shape.hosts -= 1;
            true
        }
    });
    all
}

fn halve(vms: &mut usize) -> bool {
    let more = *vms > 1;
    *vms = vms.div_ceil(2);
    more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::EngineScript;

    #[test]
    fn what_the_fault_needs_is_all_that_is_left() {
        let scene = Scene::whole_from_seed(1);
        // It breaks wherever two engines are, and a host dies for the second time.
        let mut scene = Scene { second_after_ms: Some(5), ..scene };
        scene.engines = vec![scene.engines[0].clone(); 3];
        let breaks = |scene: &Scene| {
            let broken = scene.engines.len() > 1 && scene.second_after_ms.is_some();
            broken.then(|| format!("vm-{} runs twice", scene.shape.vms_per_host))
        };
        let (smallest, tries) = smallest(scene, "vm-77 runs twice", 1_000, breaks);
        assert!(tries > 10);
        assert_eq!((smallest.engines.len(), smallest.shape.vms_per_host), (2, 1));
        assert!(smallest.second_after_ms.is_some());
        assert!(smallest.faults.is_none() && smallest.whole.unwrap().troubles.is_empty());
        let undisturbed =
            |engine: &EngineScript| engine.deaths.is_empty() && engine.pause.is_none();
        assert!(smallest.engines.iter().all(undisturbed));
    }

    #[test]
    fn another_fault_is_not_the_same() {
        assert_eq!(kind_of("vm-1 runs twice"), kind_of("vm-23 runs twice"));
        assert_ne!(kind_of("vm-1 runs twice"), kind_of("vm-1 was left locked"));
    }
}
