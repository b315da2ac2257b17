DROP INDEX subscriptions_by_age;
