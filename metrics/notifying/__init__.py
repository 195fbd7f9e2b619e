"""Who is told of incidents: receivers, messages that wait for them, how each is handed over.

receivers.py makes, tries and ends them, kinds.py says what each kind needs, secret_files.py reads
their secrets, queue.py puts messages on their way, deliver.py sends what waits, hand_over.py talks
to the other side in the words of messages.py. Pages: metrics.admin.receivers.
"""
