"""The process of faiss-cpu: the same two modes and the same lines of JSON as peer.ts, on one thread.

python faiss_peer.py build|serve <peer> <folder> <set> <rows> <dimension> <cache>
"""
import json, os, resource, sys, time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
import faiss
import numpy

faiss.omp_set_num_threads(1)
mode, name, folder, set_name, count, dimension, cache = sys.argv[1:]
count, dimension = int(count), int(dimension)
lists = round(4 * count**0.5)
# The factory string of each, and the settings that tuning tries: families, cheapest first.
factories = {
    "faiss-ivf-flat": f"IVF{lists},Flat",
    "faiss-ivf-pq-fastscan": f"IVF{lists},PQ{dimension // 2}x4fs,RFlat",
    "faiss-hnsw": "HNSW16,Flat",
    "faiss-hnsw-sq8": "HNSW16_SQ8",
    "faiss-ivf-rabitq": f"IVF{lists},RaBitQ,RFlat",
    "faiss-ivf-rabitq-fastscan": f"IVF{lists},RaBitQfs,RFlat",
}
path = os.path.join(folder, "index.faiss")


def steps(start, end, number=60):
    return sorted({round(start * (end / start) ** (i / (number - 1))) for i in range(number)})


if mode == "build":
    rows = numpy.fromfile(os.path.join(cache, set_name + "-rows.f32"), dtype=numpy.float32).reshape(count, dimension)
    wall, cpu = time.perf_counter(), time.process_time()
    index = faiss.index_factory(dimension, factories[name], faiss.METRIC_INNER_PRODUCT)
    if "hnsw" in name:
        index.hnsw.efConstruction = 200
    index.train(rows)
    index.add(rows)
    built = {"built": factories[name], "seconds": time.perf_counter() - wall, "cpuSeconds": time.process_time() - cpu}
    faiss.write_index(index, path)
    json.dump(built, open(os.path.join(folder, "built.json"), "w"))
    sys.exit(0)

index = faiss.read_index(path)
refined = hasattr(index, "refine_index")
inner = faiss.downcast_index(index.base_index) if refined else index
if "hnsw" in name:
    families = [[{"ef": ef} for ef in range(10, 800)]]
elif refined:
    families = [[{"probes": probes, "refine": refine} for probes in steps(4, lists // 2)] for refine in (2, 4, 8, 16, 32)]
else:
    families = [[{"probes": probes} for probes in steps(4, lists // 2)]]
queries = numpy.fromfile(os.path.join(cache, set_name + "-queries.f32"), dtype=numpy.float32).reshape(-1, 1, dimension)


def use(setting):
    if "ef" in setting:
        inner.hnsw.efSearch = setting["ef"]
    if "probes" in setting:
        inner.nprobe = setting["probes"]
    if name.startswith("faiss-ivf-rabitq"):
        # Queries of 8 bits: float32 ones take several times as long for the same recall.
        inner.qb = 8
    if refined:
        index.k_factor = setting["refine"]


def answer(value):
    print(json.dumps(value), flush=True)


answer({"families": families, "fixed": {}})
for line in sys.stdin:
    ask = json.loads(line)
    use(ask["setting"])
    for i in ask["queries"][: ask["warm"]]:
        index.search(queries[i], 10)
    found, times = [], []
    cpu = time.process_time()
    for i in ask["queries"]:
        started = time.perf_counter()
        labels = index.search(queries[i], 10)[1]
        times.append((time.perf_counter() - started) * 1000)
        found.append(labels[0].tolist())
    cpu = (time.process_time() - cpu) * 1000
    with open("/proc/self/statm") as statm:
        rss = int(statm.read().split()[1]) * resource.getpagesize()
    answer({"rows": found, "times": times, "cpuMs": cpu, "rss": rss})
