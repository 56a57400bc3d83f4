"""The truth: rules, states, alerts, outbox and deliveries in SQL. One file of verbs per table."""
