"""The Evaluate page: exams with known truth or a predictions table, models, and the reports of a visitor."""
