-- Forget where entries were sent on to. What was sent stays with those who have it.
DROP TABLE audit_destination;
