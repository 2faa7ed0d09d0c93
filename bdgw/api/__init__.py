"""REST for operators: reads the state that it is given, never a driver.

One authorisation layer serves every route, and errors are RFC 9457 problem documents.
"""
