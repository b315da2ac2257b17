DROP INDEX projects_by_age;
