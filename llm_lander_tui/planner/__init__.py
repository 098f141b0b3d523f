"""Scenario (what is asked) -> Plan (what is answered)."""
