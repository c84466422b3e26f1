//! The service: the way of a batch.

use sqlx::track;

use crate::database::{Database, Store};
use crate::device::Batch;
use crate::error::Error;
use crate::exam::{Exam, ExamRepo};
use crate::licence::LicenceRepo;
use crate::measurement::MeasurementRepo;
use crate::numbering::Numbering;

#[derive(Debug)]
pub(crate) struct Clinic {
    pub(crate) store: Store,
    pub(crate) exams: ExamRepo,
    pub(crate) licences: LicenceRepo,
    pub(crate) numbering: Numbering,
    pub(crate) measurements: MeasurementRepo,
}

#[track]
impl Clinic {
    pub(crate) fn new(database: &Database, caches_exams: bool) -> Self {
        let store = database.store.clone();
        Self {
            exams: ExamRepo::new(store.clone(), caches_exams),
            licences: LicenceRepo::new(store.clone()),
            numbering: Numbering::new(store.clone()),
            measurements: MeasurementRepo::new(store.clone()),
            store,
        }
    }

    /// Stores a batch whole or not at all, and returns the number of its first record.
    pub(crate) async fn accept(&self, batch: &Batch) -> Result<i64, Error> {
        let exam = self.admit(batch).await?;
        // Until the transaction has ended, however it ends, nobody keeps this exam.
        let _writing = self.exams.writing(exam.id);
        // Everything is read by now: the transaction locks the counter, so it is kept short.
        let mut tx = self.store.pool.begin().await?;
        let first = self
            .numbering
            .take(&mut tx, &exam, batch.readings.len())
            .await?;
        self.measurements
            .insert(&mut tx, &exam, &batch.device, first, &batch.readings)
            .await?;
        self.exams
            .add_measured(&mut tx, exam.id, batch.readings.len())
            .await?;
        tx.commit().await?;
        Ok(first)
    }

    /// Finds the exam of a batch and checks that its device may deliver.
    pub(crate) async fn admit(&self, batch: &Batch) -> Result<Exam, Error> {
        let exam = self
            .exams
            .find(batch.exam_id)
            .await?
            .ok_or(Error::NoExam(batch.exam_id))?;
        if exam.kind != batch.model.kind {
            return Err(Error::WrongKind {
                device: batch.device.clone(),
                exam: exam.id,
                kind: exam.kind,
            });
        }
        if !self.licences.is_valid(batch.model.name, exam.year).await? {
            return Err(Error::NoLicence {
                device: batch.device.clone(),
                year: exam.year,
            });
        }
        Ok(exam)
    }
}
