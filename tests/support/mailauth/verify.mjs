// Verifies messages with mailauth. Reads {"cases": [{"raw": base64, "records": {NAME: TXT}}]} from stdin, asks no
// network, and prints [[result of each signature, ...], ...].
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { cases } = JSON.parse(Buffer.concat(chunks));

const resolverOf = records => async (name, type) => {
    if (type !== 'TXT' || !(name in records)) {
        throw Object.assign(new Error(`no ${type} record for ${name}`), { code: 'ENOTFOUND' });
    }
    return [[records[name]]];
};

const told = [];
for (const { raw, records } of cases) {
    const { results } = await dkimVerify(Buffer.from(raw, 'base64'), { resolver: resolverOf(records) });
    told.push(
        results.map(({ status, signingDomain, selector, modulusLength, bodyHashedBytes, signingHeaders }) => ({
            result: status.result,
            comment: status.comment ?? '',
            aligned: status.aligned ?? '',
            domain: signingDomain,
            selector,
            bits: modulusLength,
            bodyBytes: bodyHashedBytes,
            signed: signingHeaders?.keys ?? ''
        }))
    );
}
process.stdout.write(JSON.stringify(told));
