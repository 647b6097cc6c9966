"""What a cluster with Slurm 22.05.8 printed: enforced limits, a partition that is down, one with its own limits."""

from dataclasses import replace

from rhodiff.jobs.cluster_facts import Cluster
from rhodiff.jobs.limit_tables import parse_associations, parse_nodes, parse_partitions, parse_qos

NODES = """\
main|1|allocated*|4|4000|gpu:max:8|(null)
main|1|idle|4|4000|gpu:max:8(S:0-1)|avx512,big
preempt|2|idle|4|4000|gpu:max:8|(null)
short|1|idle|4|4000|gpu:max:8|(null)
closed|1|idle|4|4000|gpu:max:8|(null)
limited|2|idle|4|4000|gpu:max:8|(null)
"""
FIXED = (
    "AllocNodes=ALL DisableRootJobs=NO ExclusiveUser=NO Hidden=NO MinNodes=0 LLN=NO PriorityJobFactor=1 RootOnly=NO "
    "ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE SelectTypeParameters=NONE DefMemPerNode=UNLIMITED"
)
PARTITIONS = f"""\
PartitionName=main AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=YES QoS=N/A DefaultTime=00:10:00 \
GraceTime=0 MaxNodes=UNLIMITED MaxTime=UNLIMITED MaxCPUsPerNode=UNLIMITED Nodes=rq[1-2] PriorityTier=10 \
PreemptMode=OFF State=UP TotalCPUs=8 TotalNodes=2 MaxMemPerNode=UNLIMITED {FIXED}
PartitionName=preempt AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=NO QoS=N/A DefaultTime=00:10:00 \
GraceTime=10 MaxNodes=UNLIMITED MaxTime=UNLIMITED MaxCPUsPerNode=UNLIMITED Nodes=rq[1-2] PriorityTier=1 \
PreemptMode=REQUEUE State=UP TotalCPUs=8 TotalNodes=2 MaxMemPerNode=UNLIMITED {FIXED}
PartitionName=short AllowGroups=ALL AllowAccounts=test AllowQos=ALL Default=NO QoS=N/A DefaultTime=00:05:00 \
GraceTime=0 MaxNodes=1 MaxTime=00:10:00 MaxCPUsPerNode=UNLIMITED Nodes=rq1 PreemptMode=REQUEUE State=UP TotalCPUs=4 \
TotalNodes=1 MaxMemPerNode=UNLIMITED {FIXED}
PartitionName=closed AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=NO QoS=N/A DefaultTime=NONE GraceTime=0 \
MaxNodes=UNLIMITED MaxTime=UNLIMITED MaxCPUsPerNode=UNLIMITED Nodes=rq1 PreemptMode=REQUEUE State=DOWN TotalCPUs=4 \
TotalNodes=1 MaxMemPerNode=UNLIMITED {FIXED}
PartitionName=limited AllowGroups=ALL AllowAccounts=ALL DenyQos=long Default=NO QoS=tight DefaultTime=NONE \
GraceTime=0 MaxNodes=UNLIMITED MaxTime=1-00:00:00 MaxCPUsPerNode=2 Nodes=rq[1-2] PreemptMode=REQUEUE State=UP \
TotalCPUs=8 TotalNodes=2 MaxMemPerNode=2000 {FIXED}
"""
ASSOCIATIONS = """\
root|quay|test||long,normal,tight||10|30|||3-00:00:00
root|quay|root||long,normal,tight||||||
root|other|root||normal||||||
"""
QOS = """\
normal|||||||||
tight||02:00:00|2|||4|||
long||7-00:00:00|||||||node=1
secret|||||||||
"""


def printed_cluster(**changes) -> Cluster:
    """The cluster."""
    cluster = Cluster(
        name="quay",
        slurm_version="22.05.8",
        max_array_size=20,
        max_job_count=10000,
        enforced=frozenset({"associations", "limits", "qos"}),
        has_accounting=True,
        partitions=parse_partitions(PARTITIONS, parse_nodes(NODES)),
        associations=parse_associations(ASSOCIATIONS, "quay"),
        qos=parse_qos(QOS),
    )
    return replace(cluster, **changes)
