"""The commands: parse, call one stage, print, exit code; and the progress that stages report, drawn."""
