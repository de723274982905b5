"""Programs that run once and say something."""

import asyncio


async def run(*argv, within=30, text=b"", home=None):
    """Exit code and output, both streams together. `text` is its standard input."""
    process = await asyncio.create_subprocess_exec(
        "setpriv", "--pdeathsig", "TERM", "--", *map(str, argv), cwd=home,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        output, _ = await asyncio.wait_for(process.communicate(text), within)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise TimeoutError(f"{argv[0]}: not done within {within} s") from None
    return process.returncode, output.decode(errors="replace")
