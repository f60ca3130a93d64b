#!/usr/bin/env python3
"""Print the <configuration> of the test cluster: configuration.py "ctl1 .." "cmp1 .." NET"""
import os
import sys

STATE = os.environ['STATE']

ctl, cmp_, net = sys.argv[1].split(), sys.argv[2].split(), sys.argv[3]


def nv(pre, **kw):
    return ''.join('<nvpair id="%s-%s" name="%s" value="%s"/>' % (pre, k, k.replace('__', '-'), v) for k, v in kw.items())


def stonith(n, nodes, action):
    """One device for many: each costs ten seconds at the start."""
    return ('<primitive id="fence-%s" class="stonith" type="fence_node">'
            '<instance_attributes id="fence-%s-ia">%s</instance_attributes>'
            '<operations><op id="fence-%s-mon" name="monitor" interval="60s"/></operations></primitive>'
            % (n, n, nv('fence-%s-ia' % n, pcmk_host_list=' '.join(nodes), pcmk_action_limit='-1', pcmk_reboot_action=action), n))


def remote(n):
    return ('<primitive id="%s" class="ocf" provider="pacemaker" type="remote">'
            '<instance_attributes id="%s-ia">%s</instance_attributes>'
            '<operations><op id="%s-mon" name="monitor" interval="5s" timeout="10s"/>'
            '<op id="%s-start" name="start" interval="0" timeout="10s"/></operations></primitive>'
            % (n, n, nv(n + '-ia', server='%s.2%d' % (net, cmp_.index(n) + 1), reconnect_interval='10s'), n, n))


print('<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
      + nv('opt', stonith__enabled='true', no__quorum__policy='stop', cluster__recheck__interval='60s',
           concurrent__fencing='true', cluster__name='mk', stonith__action='reboot')
      + '</cluster_property_set></crm_config><nodes>'
      + ''.join('<node id="%d" uname="%s"/>' % (i, n) for i, n in enumerate(ctl, 1))
      + '</nodes><resources>'
      + stonith('members', ctl, 'reboot') + stonith('remotes', cmp_, 'off') + ''.join(remote(n) for n in cmp_)
      + '<clone id="nova-compute-clone"><meta_attributes id="nc-m">' + nv('nc-m', interleave='true')
      + '</meta_attributes><primitive id="nova-compute" class="ocf" provider="pacemaker" type="Dummy">'
        '<operations><op id="nc-mon" name="monitor" interval="10s"/></operations></primitive></clone>'
      + '</resources><constraints>'
      + ''.join('<rsc_location id="nc-not-%s" rsc="nova-compute-clone" node="%s" score="-INFINITY"/>' % (n, n) for n in ctl)
      # A member that is lost takes the connections with it that it has, and those remotes are fenced, too.
      + ''.join('<rsc_location id="%s-on-%s" rsc="%s" node="%s" score="100"/>' % (n, ctl[0], n, ctl[0]) for n in cmp_)
      + '</constraints><alerts><alert id="mk-alert" path="' + STATE + '/alert">'
        '<meta_attributes id="mk-alert-m">' + nv('mk-alert-m', timeout='15s') + '</meta_attributes>'
        '<recipient id="mk-alert-r" value="' + STATE + '/alerts"/></alert>'
      # Ours, as an operator installs it.
      + ('<alert id="masakari" path="' + STATE + '/masakari-pacemaker-alert"/>' if os.environ.get('ALERT', 'yes') == 'yes' else '')
      + '</alerts></configuration>')
