"""The functions as a typed HTTP API: a program with a key sends files of an exam and gets answers, similarities, maps.

It is Gradio's API, reached through `app.gate` only.
"""
