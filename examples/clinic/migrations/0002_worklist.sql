-- A day's worklist: who is examined how, on devices licensed for the year, with the year's counters open.

INSERT INTO exam (id, patient, kind, year) VALUES
    (1, 'Amsel, Berta', 'pressure', 2026),
    (2, 'Buchfink, Emil', 'pressure', 2026),
    (3, 'Dohle, Irma', 'pressure', 2026),
    (4, 'Amsel, Berta', 'retina', 2026),
    (5, 'Elster, Otto', 'retina', 2026),
    (6, 'Buchfink, Emil', 'field', 2026),
    (7, 'Fasan, Ulla', 'field', 2026),
    (8, 'Dohle, Irma', 'cornea', 2026),
    (9, 'Gimpel, Anton', 'cornea', 2026);

INSERT INTO licence (model, valid_through) VALUES
    ('tonometer', 2027),
    ('oct', 2026),
    ('perimeter', 2028),
    ('keratometer', 2026);

INSERT INTO counter (kind, year, last_number) VALUES
    ('pressure', 2026, 0),
    ('retina', 2026, 0),
    ('field', 2026, 0),
    ('cornea', 2026, 0);
