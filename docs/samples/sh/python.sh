# The quick start for Python, in an empty directory. LIBRAFT is a checkout of libraft.
# --8<-- [start:install]
python3 -m venv venv
venv/bin/pip install "$LIBRAFT/python"
# --8<-- [end:install]
cp "$LIBRAFT/examples/quickstart/quickstart.py" hello.py
# --8<-- [start:run]
venv/bin/python hello.py
# --8<-- [end:run]
