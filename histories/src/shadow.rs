//! A shadow beside the engines, or alone: every report is judged and planned as ever, and not one call that changes
//! anything goes out.

use crate::tale::Stage;
use engine::{Shadow, Sight, Wake};
use futures::future::select;
use openstack::{NovaConfig, NovaToRead};
use ports::{Entropy, ReadOnly, SeededEntropy};
use sim::{Process, When};
use std::{pin::pin, sync::Arc, time::Duration};

/// The shadow of the scene, which is killed again and again where the scene has a crossing for that.
pub async fn happens(stage: &Stage) {
    futures::join!(python(stage), shadow(stage));
}

async fn python(stage: &Stage) {
    if stage.scene.storm.python {
        stage.at(stage.scene.dies_at_ms + stage.scene.reported_after_ms).await;
        stage.world.disable_service(&stage.host(0), "Masakari detected host failed.");
    }
}

async fn shadow(stage: &Stage) {
    for life in 0.. {
        if !stage.scene.storm.shadow {
            std::future::pending::<()>().await;
        }
        let process = Process::new(format!("shadow.{life}"), stage.clock.clone());
        if let Some(crossing) = stage.scene.storm.shadow_dies.get(life) {
            process.die_at(*crossing, When::After);
        }
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(4_711 + life as u64));
        let way = ReadOnly::of(stage.way(&process, true));
        let (clock, config) = (stage.clock.clone(), NovaConfig::default());
        let nova = NovaToRead::new(stage.user(), way, clock.clone(), entropy.clone(), config);
        let store = Arc::new(stage.beside.handle(stage.gate(&process, 4_711 + life as u64)));
        let sight = Sight { store, nova, clock, entropy };
        let shadow = Shadow::new(sight, stage.config(&process), Wake::default());
        let running = shadow.run(std::future::pending());
        select(pin!(running), pin!(process.died())).await;
        stage.clock.sleep(Duration::from_secs(3)).await;
    }
}
