"""Two DAGs for Airflow 3, each with a pod that submits a SQL job to DLI and waits for its end.

Put this file, ``airflow-sidecar.yaml`` and ``airflow-central.yaml`` into the folder for DAGs, and leave out the
DAG that you do not want. For Airflow 2 import DAG from ``airflow``.
"""

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

for how in ("sidecar", "central"):
    with DAG(f"nightly_orders_{how}", schedule="0 1 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
        KubernetesPodOperator(
            task_id="nightly_orders",
            namespace="default",
            pod_template_file=str(Path(__file__).with_name(f"airflow-{how}.yaml")),
            retries=0,  # another try would submit the job a second time
        )
