SELECT id, name, age FROM patient WHERE age > ? ORDER BY id
