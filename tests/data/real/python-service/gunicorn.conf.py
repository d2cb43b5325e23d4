"""Gunicorn's settings."""

bind = "0.0.0.0:8080"
workers = 1
threads = 2
worker_tmp_dir = "/dev/shm"
accesslog = "-"
