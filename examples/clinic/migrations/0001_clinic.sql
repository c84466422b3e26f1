-- One schema for SQLite, PostgreSQL, MySQL and MariaDB: it keeps to the types that all of them have.

CREATE TABLE exam (
    id BIGINT NOT NULL PRIMARY KEY,
    patient VARCHAR(80) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    year BIGINT NOT NULL
);

CREATE TABLE licence (
    model VARCHAR(40) NOT NULL PRIMARY KEY,
    valid_through BIGINT NOT NULL
);

-- Records are numbered without gaps per kind of exam and year; the row is made when the year is opened.
CREATE TABLE counter (
    kind VARCHAR(20) NOT NULL,
    year BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    PRIMARY KEY (kind, year)
);

CREATE TABLE measurement (
    kind VARCHAR(20) NOT NULL,
    year BIGINT NOT NULL,
    record_number BIGINT NOT NULL,
    exam_id BIGINT NOT NULL REFERENCES exam (id),
    device VARCHAR(40) NOT NULL,
    eye VARCHAR(2) NOT NULL,
    reading DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (kind, year, record_number)
);

CREATE INDEX measurement_of_exam ON measurement (exam_id, record_number);
