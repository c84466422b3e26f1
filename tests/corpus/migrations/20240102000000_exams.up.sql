CREATE TABLE exam (
    id INTEGER PRIMARY KEY NOT NULL,
    patient_id INTEGER NOT NULL REFERENCES patient (id),
    pressure REAL NOT NULL,
    note TEXT
);
