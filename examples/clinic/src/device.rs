//! The devices: each works through its worklist and delivers a batch per exam.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::clinic::Clinic;
use crate::error::Error;
use crate::exam::Exam;
use crate::measurement::{Eye, Reading};
use crate::progress::Progress;

/// A model of device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// The kind of exam that it makes.
    pub(crate) kind: &'static str,
    /// Its reading of a healthy eye.
    typical: f64,
}

/// Intraocular pressure in mmHg.
pub(crate) const TONOMETER: Model = Model {
    name: "tonometer",
    kind: "pressure",
    typical: 15.0,
};
/// Thickness of the retina in µm.
const OCT: Model = Model {
    name: "oct",
    kind: "retina",
    typical: 265.0,
};
/// Mean deviation of the visual field in dB.
const PERIMETER: Model = Model {
    name: "perimeter",
    kind: "field",
    typical: -0.5,
};
/// Refractive power of the cornea in dioptres.
const KERATOMETER: Model = Model {
    name: "keratometer",
    kind: "cornea",
    typical: 43.25,
};

/// The models that deliver to this clinic.
pub(crate) const MODELS: [Model; 4] = [TONOMETER, OCT, PERIMETER, KERATOMETER];

impl Model {
    /// The model of a device, by the device's name: a tonometer is called `tonometer-1`.
    pub(crate) fn of(device: &str) -> Option<Self> {
        let (name, number) = device.rsplit_once('-')?;
        number.parse::<u16>().ok()?;
        MODELS.into_iter().find(|model| model.name == name)
    }
}

/// The readings that a device delivers for one exam.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// The device's name: `tonometer-1`.
    pub(crate) device: String,
    pub(crate) model: Model,
    pub(crate) exam_id: i64,
    pub(crate) readings: Vec<Reading>,
}

impl Batch {
    /// The number of readings in a complete batch: three of each eye.
    pub(crate) const COMPLETE: usize = 6;

    pub(crate) fn new(device: &str, model: Model, exam: &Exam) -> Self {
        let readings = [Eye::Right, Eye::Left]
            .into_iter()
            .flat_map(|eye| {
                // Readings of one eye scatter a little.
                [-0.25, 0.0, 0.25].map(|scatter| Reading {
                    eye,
                    value: model.typical + scatter,
                })
            })
            .collect();
        Self {
            device: device.to_owned(),
            model,
            exam_id: exam.id,
            readings,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.readings.len() == Self::COMPLETE
    }
}

/// Lets `devices` devices deliver `batches` batches between them, all devices at the same time.
///
/// Each device has one batch under way, so there are never more tasks than devices. The pool limits how many of them
/// use the database.
pub(crate) async fn deliver(
    clinic: &Arc<Clinic>,
    devices: u64,
    batches: u64,
    progress: &Progress,
) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    for (number, model) in (1..=devices).zip(MODELS.into_iter().cycle()) {
        let share = batches / devices + u64::from(number <= batches % devices);
        tasks.spawn(work_through(
            Arc::clone(clinic),
            format!("{}-{number}", model.name),
            model,
            share,
            progress.clone(),
        ));
    }
    all(tasks).await
}

/// Waits for every task, and passes on an error or a panic of one.
pub(crate) async fn all(mut tasks: JoinSet<Result<(), Error>>) -> Result<(), Error> {
    while let Some(device) = tasks.join_next().await {
        match device {
            Ok(outcome) => outcome?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(())
}

async fn work_through(
    clinic: Arc<Clinic>,
    device: String,
    model: Model,
    batches: u64,
    progress: Progress,
) -> Result<(), Error> {
    let worklist = clinic.exams.worklist(model.kind).await?;
    for (_, exam) in (0..batches).zip(worklist.iter().cycle()) {
        clinic.accept(&Batch::new(&device, model, exam)).await?;
        progress.step();
    }
    Ok(())
}
