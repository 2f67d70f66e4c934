"""A connector as the package vantiqconnectorsdk has it, unmodified.

It tells what happens to it in lines of JSON on stdout, answers a query as its
parameters ask, and notifies when something is published to it that asks so.
"""
import asyncio
import json
import sys

import vantiqconnectorsdk
from vantiqconnectorsdk import VantiqConnector, VantiqConnectorSet


def tell(**what):
    print(json.dumps(what), flush=True)


async def main():
    vantiqconnectorsdk.setup_logging()
    connectors = VantiqConnectorSet()

    def of(ctx):
        return connectors.get_connection_for_source(ctx[VantiqConnector.SOURCE_NAME])

    async def on_close(ctx):
        tell(op='close', ctx=ctx)

    async def on_connect(ctx, config):
        tell(op='connect', ctx=ctx, config=config)

    async def on_publish(ctx, message):
        tell(op='publish', ctx=ctx, message=message)
        for n in range(message.get('notify', 0)):
            await of(ctx).send_notification({'n': n, 'text': 'Grüße'})
        if message.get('close'):
            await of(ctx).close()

    async def on_query(ctx, params):
        tell(op='query', source=ctx[VantiqConnector.SOURCE_NAME], params=params)
        source, want = of(ctx), params.get('want')
        if want == 'list':
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, [{'row': 1}, {'row': 2}])
        elif want == 'partial':
            for n in range(3):
                await source.send_query_response(ctx, VantiqConnector.QUERY_PARTIAL, {'row': n})
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, {'row': 3})
        elif want == 'empty':
            await source.send_query_response(ctx, VantiqConnector.QUERY_EMPTY, None)
        elif want == 'error':
            await source.send_query_error(ctx, {
                VantiqConnector.ERROR_CODE: 'io.test.bad',
                VantiqConnector.ERROR_TEMPLATE: 'The parameter {0} is {1}, not {2}.',
                VantiqConnector.ERROR_PARAMETERS: ['want', 7]})
        elif want == 'twice':
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, {'row': 1})
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, {'row': 2})
        elif want == 'nothing':
            pass
        elif want == 'number':
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, 7)
        elif want == 'late':  # over a connection that is not the one that it came by
            await source.close()
            await asyncio.sleep(0.2)
            asyncio.create_task(source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, {'row': 'late'}))
        else:
            await source.send_query_response(ctx, VantiqConnector.QUERY_COMPLETE, {'asked': params})

    connectors.configure_handlers_for_all(on_close, on_connect, on_publish, on_query)
    await connectors.run_connectors()


try:
    asyncio.run(main())
except vantiqconnectorsdk.VantiqConnectorConfigException as e:
    tell(op='refused', why=str(e))
    sys.exit(3)
