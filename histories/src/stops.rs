//! Planned stops: a host that is away as planned is left alone, and recovered when it is away for longer.

use crate::{scene::Scene, tale::Stage};
use recovery::stops::{Kind, Stop};
use store::Store;

/// The stop of the scene, while it happens.
pub async fn happens(stage: &Stage) {
    let host = stage.host(0);
    for (n, (at_ms, for_ms)) in stage.scene.storm.planned.iter().enumerate() {
        stage.at(*at_ms).await;
        let at = stage.clock.wall();
        match for_ms {
            Some(for_ms) => {
                let stop = Stop {
                    id: format!("stop-{n}"),
                    host: host.clone(),
                    kind: match stage.scene.storm.drained {
                        true => Kind::Drain { cold: false },
                        false => Kind::StopAnnounced,
                    },
                    by: "operator".into(),
                    why: None,
                    at,
                    until: at.plus(for_ms.cast_signed()),
                };
                stage.memory.plan_stop(&stop).await.unwrap();
            }
            None => {
                stage.memory.end_stop(&host, "operator", at).await.unwrap().unwrap();
            }
        }
    }
}

/// When the last of it is over.
pub fn last_ms(scene: &Scene) -> u64 {
    let ends = scene.storm.planned.iter().map(|(at_ms, for_ms)| at_ms + for_ms.unwrap_or(0));
    ends.max().unwrap_or(0)
}
