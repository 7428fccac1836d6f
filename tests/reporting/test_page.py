from pathlib import Path


def test_page(tab, make_pictured_run, tmp_path: Path) -> None:
    from tsmu_jax.reporting.comparison import compare
    from tsmu_jax.reporting.documents import all_tables
    from tsmu_jax.reporting.page.document import page
    from tsmu_jax.reporting.runs import find_runs
    import os, shutil
    s={"tsmu":.6,"retraining":.3,"feature_extraction":.45,"joint_training":.65}
    for seed in range(2):
        for m in s:
            make_pictured_run(f"sweep/{m}{seed}", m, seed=seed, scores=lambda p,e: s[m]+ (p<"02")*.1 + (e=="c")*.1*seed, costs={"seconds": 60*s[m]})
    make_pictured_run(f"sweep/seq", "sequential_tsmu", ("a",),("b","c"))
    c = compare(find_runs([tmp_path/"sweep"]).runs)
    out = Path("/tmp/rp/b.html"); out.write_text(page(c, all_tables(c), []))
    print(out.stat().st_size)
    tab.open(out)
    print(tab.complaints)
    for name, w, h in (("desktop", 1280, 900), ("phone", 390, 844)):
        for scheme in ("light", "dark"):
            tab.resize(w, h); tab.prefer(scheme)
            for i, sec in enumerate(("summary","scatter","tables","matrix","curves","probabilities","cases","intensities","runs")):
                tab.run(f"document.documentElement.style.scrollBehavior='auto'; document.getElementById('{sec}').scrollIntoView()")
                if scheme=="light" or sec in ("scatter","matrix","cases","probabilities"):
                    tab.picture(Path(f"/tmp/rp/{name}_{scheme}_{i}_{sec}.png"))
            print(name, tab.run("[document.documentElement.scrollWidth, innerWidth]"))
