"""Patients' consent: the terms that one patient set towards one recipient, and the rules that decide."""
